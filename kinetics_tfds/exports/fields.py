"""The fields of a clip under the names that its record has, for formats of plain columns."""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np

from kinetics_tfds.exports.record import ClipRecord


def plain_fields(record: ClipRecord) -> dict[str, Any]:
    """Returns all fields but frames and audio as plain JSON values."""
    return {
        "id": record.id,
        "youtube_id": record.youtube_id,
        "label": record.label,
        "label_name": record.label_name,
        "time_start": record.time_start,
        "time_end": record.time_end,
        "fps": record.fps,
        "timestamps": [float(time) for time in record.timestamps],
        "original_width": record.original_width,
        "original_height": record.original_height,
        "original_fps": record.original_fps,
    }


def to_wav(samples: np.ndarray, rate: int) -> bytes:
    """Returns int16 [S] mono samples as a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()
