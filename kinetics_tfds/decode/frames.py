"""From a decoded frame to a JPEG: size, colour, rotation."""

from __future__ import annotations

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from kinetics_tfds.decode.types import DecodeSettings


def stored_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Returns the size of stored frames: the short side reduced to `short_side`, never enlarged."""
    if short_side is None or min(width, height) <= short_side:
        return width, height
    scale = short_side / min(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


class FrameEncoder:
    """Turns decoded frames into JPEG images of one size."""

    def __init__(self, settings: DecodeSettings) -> None:
        self._settings = settings
        self._reformatter = VideoReformatter()
        self._parameters = [cv2.IMWRITE_JPEG_QUALITY, settings.quality]
        self.size: tuple[int, int] | None = None
        self.original: tuple[int, int] | None = None

    def encode(self, frame: av.VideoFrame) -> bytes:
        """Returns the frame as JPEG bytes."""
        if self.size is None:
            sar = frame.sample_aspect_ratio if hasattr(frame, "sample_aspect_ratio") else None
            width = round(frame.width * sar) if sar else frame.width
            self.original = (width, frame.height)
            self.size = stored_size(width, frame.height, self._settings.short_side)
        picture = self._reformatter.reformat(frame, format="bgr24", threads=1).to_ndarray()
        if (picture.shape[1], picture.shape[0]) != self.size:
            picture = cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA)
        ok, data = cv2.imencode(".jpg", np.ascontiguousarray(picture), self._parameters)
        if not ok:
            raise RuntimeError("OpenCV could not encode a frame")
        return data.tobytes()
