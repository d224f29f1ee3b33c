"""`croissant.json`, beside the shards: Croissant metadata, by which dataset searches and mlcroissant read a dataset.

It names every shard. Its one record set is the manifest, which mlcroissant reads as it is; it has no reader for records
of frames.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pyarrow as pa
from etils import epath

from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.prepared import card
from kinetics_tfds.prepared.dataset import Prepared
from kinetics_tfds.shards import manifest

FILE_NAME = "croissant.json"

_LICENCE = "https://creativecommons.org/licenses/by/4.0/"
_MEDIA_TYPES = {"tfrecord": "application/x-tfrecord", "array_record": "application/x-arrayrecord"}


def write_croissant(folder: epath.Path, prepared: Prepared, homepage: str) -> None:
    """Writes the metadata.

    Args:
        folder: where it goes, with `manifest.parquet` in it.
        prepared: the dataset.
        homepage: of Kinetics.
    """
    text = json.dumps(make_croissant(folder, prepared, homepage), indent=2, ensure_ascii=False)
    (folder / FILE_NAME).write_text(text + "\n")


def make_croissant(folder: epath.Path, prepared: Prepared, homepage: str) -> dict[str, Any]:
    """Returns the metadata as JSON-LD; see `write_croissant`."""
    import mlcroissant as mlc  # brings pandas, which only the end of a build needs

    version = get_version(prepared.identity.dataset)
    rows = folder / manifest.FILE_NAME
    table = mlc.FileObject(
        id="manifest",
        name=manifest.FILE_NAME,
        content_url=manifest.FILE_NAME,
        encoding_formats=["application/x-parquet"],
        sha256=hashlib.sha256(rows.read_bytes()).hexdigest(),
        description="What became of every annotation row.",
    )
    shards = [
        mlc.FileSet(
            id=f"shards-{split}",
            name=f"shards of {split}",
            description=f"{values['clips']} clips as JPEG frames, one tf.train.Example each.",
            encoding_formats=[_MEDIA_TYPES.get(prepared.identity.file_format, "application/octet-stream")],
            includes=[prepared.file_name(split, index) for index in range(values["shards"])],
        )
        for split, values in prepared.identity.splits.items()
    ]
    metadata = mlc.Metadata(
        id="kinetics",
        name=f"{version.name}_{prepared.identity.version}",
        description=f"{version.title}: clips of human actions as JPEG frames, with one class each.",
        url=homepage,
        license=[_LICENCE],
        version=prepared.identity.version,
        cite_as=card.citations(version).strip(),
        data_biases=[card.care(version)],
        keywords=["video", "human action recognition", version.title],
        distribution=[table, *shards],
        record_sets=[_record_set(mlc)],
    )
    return metadata.to_json()


def _record_set(mlc: Any) -> Any:
    types = {pa.string(): mlc.DataType.TEXT, pa.float64(): mlc.DataType.FLOAT}
    fields = [
        mlc.Field(
            id=f"rows/{field.name}",
            name=field.name,
            data_types=[types.get(field.type, mlc.DataType.INTEGER)],
            source=mlc.Source(file_object="manifest", extract=mlc.Extract(column=field.name)),
        )
        for field in manifest.SCHEMA
    ]
    return mlc.RecordSet(id="rows", name="rows", description="One annotation row each.", fields=fields)
