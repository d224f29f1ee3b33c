"""A Hugging Face dataset folder: Parquet shards whose columns `datasets` knows, and the card that its viewer reads."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import yaml
from etils import epath

from kinetics_tfds.annotations.clip import UNLABELLED
from kinetics_tfds.annotations.versions import KineticsVersion, get_version
from kinetics_tfds.exports.export import Export
from kinetics_tfds.exports.fields import plain_fields, to_wav
from kinetics_tfds.exports.record import ClipRecord
from kinetics_tfds.parquet import parquet_writer
from kinetics_tfds.prepared.dataset import Prepared

# The viewer reads whole row groups; 16 clips of 5 MB are within what it takes.
_CLIPS_PER_ROW_GROUP = 16
_BINARY = pa.struct({"bytes": pa.binary(), "path": pa.string()})
# Column: its Arrow type, and its feature as `datasets` writes it into a file's schema.
_COLUMNS: dict[str, tuple[pa.DataType, Any]] = {
    "id": (pa.string(), {"dtype": "string", "_type": "Value"}),
    "youtube_id": (pa.string(), {"dtype": "string", "_type": "Value"}),
    "label": (pa.int64(), None),
    "time_start": (pa.float32(), {"dtype": "float32", "_type": "Value"}),
    "time_end": (pa.float32(), {"dtype": "float32", "_type": "Value"}),
    "fps": (pa.float32(), {"dtype": "float32", "_type": "Value"}),
    "timestamps": (pa.list_(pa.float32()), {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "List"}),
    "original_width": (pa.int32(), {"dtype": "int32", "_type": "Value"}),
    "original_height": (pa.int32(), {"dtype": "int32", "_type": "Value"}),
    "original_fps": (pa.float32(), {"dtype": "float32", "_type": "Value"}),
    "frames": (pa.list_(_BINARY), {"feature": {"_type": "Image"}, "_type": "List"}),
}


class HuggingFace:
    """See `ExportFormat`."""

    def shard_name(self, export: Export, index: int) -> str:
        """See `ExportFormat`; the viewer tells splits by these names."""
        return f"data/{export.split}-{index:05d}-of-{export.num_shards:05d}.parquet"

    def write(self, path: epath.Path, records: Iterator[ClipRecord], export: Export, prepared: Prepared) -> None:
        """See `ExportFormat`."""
        rate = prepared.identity.settings["audio_rate"] if export.audio else None
        schema = _schema(get_version(prepared.identity.dataset), rate)
        with parquet_writer(path, schema) as writer:
            while rows := [_row(record, rate) for record in itertools.islice(records, _CLIPS_PER_ROW_GROUP)]:
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))

    def finish(self, export: Export, prepared: Prepared) -> None:
        """Writes the card anew, with all splits that are exported by now."""
        version = get_version(prepared.identity.dataset)
        target = epath.Path(export.target)
        splits = sorted({path.name.split("-")[0] for path in (target / "data").glob("*-of-*.parquet")})
        header = {
            "pretty_name": version.title,
            "license": "cc-by-4.0",
            "task_categories": ["video-classification"],
            "configs": [
                {
                    "config_name": "default",
                    "data_files": [{"split": split, "path": f"data/{split}-*"} for split in splits],
                }
            ],
        }
        text = _CARD.format(
            header=yaml.safe_dump(header, sort_keys=False, allow_unicode=True),
            title=version.title,
            config=json.dumps(prepared.identity.settings, sort_keys=True),
            fingerprint=prepared.identity.fingerprint,
        )
        (target / "README.md").write_text(text)


FORMAT = HuggingFace()

_CARD = """---
{header}---

# {title}

Clips as JPEG frames with their times, exported from a TFDS dataset (settings `{config}`, fingerprint `{fingerprint}`).
`frames` holds the images, `timestamps` the seconds of each from the clip's start, `label` the class.

The annotations are Google DeepMind's, under CC BY 4.0. The videos belong to those who made them. The data reflects what
people upload: classes, places and people are not represented evenly.
"""


def _schema(version: KineticsVersion, audio_rate: int | None) -> pa.Schema:
    columns = dict(_COLUMNS)
    columns["label"] = (pa.int64(), {"names": list(version.class_names), "_type": "ClassLabel"})
    if audio_rate is not None:
        columns["audio"] = (_BINARY, {"sampling_rate": audio_rate, "_type": "Audio"})
    features = {name: feature for name, (_, feature) in columns.items()}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([(name, kind) for name, (kind, _) in columns.items()], metadata=metadata)


def _row(record: ClipRecord, audio_rate: int | None) -> dict[str, Any]:
    row = plain_fields(record)
    del row["label_name"]
    row["label"] = UNLABELLED if record.label is None else record.label
    row["frames"] = [
        {"bytes": frame, "path": f"{record.id}.{number:04d}.jpg"} for number, frame in enumerate(record.frames)
    ]
    if audio_rate is not None:
        assert record.audio is not None
        row["audio"] = {"bytes": to_wav(record.audio, audio_rate), "path": f"{record.id}.wav"}
    return row
