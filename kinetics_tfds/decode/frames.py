"""From a decoded frame to a JPEG: colour, size, pixel aspect, rotation.

Colour and size are done in one pass of libswscale with its area filter, into planes of red, green and blue (its exact
path: within half a level of the standards' formulas). Where nothing is scaled down its fast path to BGR is used, which
is within three levels. The matrix and range are those the stream names; a stream that names none is read as BT.601,
limited range, as the ffmpeg program reads it.
"""

from __future__ import annotations

import dataclasses
import struct
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.types import DecodeSettings, FailureReason

# Matrices that libswscale knows, and the nearest for those of BT.2020 that it does not; any other counts as not named.
# Codes are those of ITU-T H.273.
_KNOWN_MATRICES = frozenset((1, 2, 4, 5, 6, 7, 9))
_NEAREST_MATRIX = {10: 9, 13: 9, 14: 9}
_UNSPECIFIED = 2
_JPEG_LONGEST_SIDE = 65_500
# A picture that is shown over eight times as wide as it is stored comes from a broken header.
_ASPECTS = (Fraction(1, 8), Fraction(8))


@dataclasses.dataclass(frozen=True, slots=True)
class Orientation:
    """How stored rows and columns map to what is shown: transposed first, then mirrored.

    Attributes:
        transpose: rows become columns.
        mirror_x: left and right are exchanged.
        mirror_y: top and bottom are exchanged.
    """

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def from_matrix(cls, matrix: bytes) -> Orientation:
        """Reads a display matrix (nine little-endian 32-bit numbers), to the nearest quarter turn.

        >>> Orientation.from_matrix(struct.pack("<9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30))
        Orientation(transpose=True, mirror_x=True, mirror_y=False)
        """
        # A stored pixel at (x, y) is shown at (a x + c y, b x + d y), up to a shift.
        a, b, _, c, d = struct.unpack("=9i", matrix[:36])[:5]
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(transpose=True, mirror_x=c < 0, mirror_y=b < 0)
        return cls(transpose=False, mirror_x=a < 0, mirror_y=d < 0)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the image [H, W, 3] as it is shown."""
        if self.transpose:
            image = cv2.transpose(image)
        if self.mirror_x or self.mirror_y:
            image = cv2.flip(image, -1 if self.mirror_x and self.mirror_y else int(self.mirror_x))
        return image


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Returns how a frame is to be shown, from the display matrix it carries."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return Orientation.from_matrix(bytes(matrix)) if matrix is not None else Orientation()


def shown_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """Returns the size in square pixels: the height stays, the width follows the pixels' aspect."""
    if not aspect or not _ASPECTS[0] <= aspect <= _ASPECTS[1]:
        return width, height
    return max(1, round(width * aspect)), height


def stored_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Returns the size of stored frames: the short side reduced to `short_side`, never enlarged.

    >>> stored_size(1280, 720, 256), stored_size(320, 240, 256)
    ((455, 256), (320, 240))
    """
    short = min(width, height)
    if short_side is None or short <= short_side:
        return width, height
    return max(1, round(Fraction(width * short_side, short))), max(1, round(Fraction(height * short_side, short)))


class FrameEncoder:
    """Turns the decoded frames of one clip into JPEG images of one size.

    The first frame settles size and orientation; should the stream change its size later, frames are scaled to that.

    Attributes:
        original: displayed (width, height) of the source, in square pixels.
        size: (width, height) of the stored frames.
    """

    def __init__(
        self,
        settings: DecodeSettings,
        first: av.VideoFrame,
        aspect: Fraction | None,
        orientation: Orientation,
        max_pixels: int,
    ) -> None:
        shown = shown_size(first.width, first.height, aspect)
        self._scaled = stored_size(*shown, settings.short_side)
        if self._scaled[0] * self._scaled[1] > max_pixels or max(self._scaled) > _JPEG_LONGEST_SIDE:
            raise failed(FailureReason.TOO_LARGE, f"a stored frame would be {self._scaled[0]}x{self._scaled[1]}")
        self._orientation = orientation
        turn = -1 if orientation.transpose else 1
        self.original = shown[::turn]
        self.size = self._scaled[::turn]
        self._reformatter = VideoReformatter()
        self._parameters = (
            cv2.IMWRITE_JPEG_QUALITY,
            settings.quality,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
        )

    def encode(self, frame: av.VideoFrame) -> bytes:
        """Returns a frame as JPEG."""
        written, data = cv2.imencode(".jpg", self.image(frame), self._parameters)
        if not written:
            raise MemoryError("OpenCV could not encode a frame")
        return data.tobytes()

    def image(self, frame: av.VideoFrame) -> np.ndarray:
        """Returns a frame as it is stored, before JPEG: uint8 [H, W, 3], blue first."""
        if frame.colorspace not in _KNOWN_MATRICES and not frame.format.is_rgb:
            frame.colorspace = _NEAREST_MATRIX.get(frame.colorspace, _UNSPECIFIED)
        if frame.interlaced_frame:
            frame = _as_progressive(frame)
        width, height = self._scaled
        if width >= frame.width and height >= frame.height:
            image = self._convert(frame, frame.width, frame.height, "bgr24")
            if image.shape[:2] != (height, width):  # pixels that are wider than high
                image = cv2.resize(image, self._scaled, interpolation=cv2.INTER_LINEAR)
        else:
            image = self._convert(frame, width, height, "gbrp")
        return self._orientation.apply(image)

    def _convert(self, frame: av.VideoFrame, width: int, height: int, pixels: str) -> np.ndarray:
        try:
            converted = self._reformatter.reformat(
                frame, width=width, height=height, format=pixels, interpolation=Interpolation.AREA, threads=1
            )
        except MemoryError:
            raise
        except av.FFmpegError as error:
            detail = f"pictures of the form {frame.format.name} cannot be converted: {error.strerror}"
            raise failed(FailureReason.UNSUPPORTED_CODEC, detail) from error
        if pixels == "bgr24":
            return _rows(converted.planes[0])[:height, : 3 * width].reshape(height, width, 3)
        green, blue, red = (_rows(plane)[:height, :width] for plane in converted.planes)
        return cv2.merge((blue, green, red))


def _rows(plane: av.video.plane.VideoPlane) -> np.ndarray:
    """Returns a view of a plane: uint8 [rows, bytes a row], padding included."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)  # pyright: ignore[reportArgumentType]


def _as_progressive(frame: av.VideoFrame) -> av.VideoFrame:
    """Returns a copy that is not marked as interlaced: libswscale would scale each field on its own."""
    copy = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for source, target in zip(frame.planes, copy.planes, strict=True):
        rows = np.zeros((target.buffer_size // target.line_size, target.line_size), np.uint8)
        given = _rows(source)
        height, width = min(len(rows), len(given)), min(source.line_size, target.line_size)
        rows[:height, :width] = given[:height, :width]
        target.update(rows.tobytes())
    copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
    return copy
