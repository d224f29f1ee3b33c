"""WebDataset tars: one sample per clip, `ID.json` with its fields, `ID.0000.jpg` and so on, `ID.wav` with its audio."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator

from etils import epath

from kinetics_tfds.exports.export import Export
from kinetics_tfds.exports.fields import plain_fields, to_wav
from kinetics_tfds.exports.record import ClipRecord
from kinetics_tfds.prepared.dataset import Prepared


class WebDataset:
    """See `ExportFormat`."""

    def shard_name(self, export: Export, index: int) -> str:
        """See `ExportFormat`."""
        return f"{export.name}-{index:06d}.tar"

    def write(self, path: epath.Path, records: Iterator[ClipRecord], export: Export, prepared: Prepared) -> None:
        """See `ExportFormat`. Equal records give equal bytes: no times, no owners."""
        rate = prepared.identity.settings["audio_rate"]
        with path.open("wb") as file, tarfile.open(fileobj=file, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
            for record in records:
                _add(tar, f"{record.id}.json", json.dumps(plain_fields(record)).encode())
                for number, frame in enumerate(record.frames):
                    _add(tar, f"{record.id}.{number:04d}.jpg", frame)
                if record.audio is not None:
                    _add(tar, f"{record.id}.wav", to_wav(record.audio, rate))

    def finish(self, export: Export, prepared: Prepared) -> None:
        """Tars describe themselves."""


FORMAT = WebDataset()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    tar.addfile(member, io.BytesIO(data))
