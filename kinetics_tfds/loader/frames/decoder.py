"""Decode: each distinct frame once, only inside its crop window, resized once, all in TensorFlow ops.

Frames go through one by one: an image that is decoded, resized and rounded while it is still in the processor's cache
costs less than three passes over the whole clip.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from kinetics_tfds.loader.attempts import successes
from kinetics_tfds.loader.frames.sampler import Element, require_intact
from kinetics_tfds.loader.frames.spatial import Spatial
from kinetics_tfds.loader.randomness import stage_seeds

_UNDECODED = "has a frame that cannot be decoded, or of another size than the first one"


class _Frames(NamedTuple):
    """Encoded frames of one clip.

    Attributes:
        jpeg: string [U].
        size: int32 [2], height and width of the first one, and so of all.
        where: the shard's path and the clip's id, string scalars.
    """

    jpeg: tf.Tensor
    size: tf.Tensor
    where: tuple[tf.Tensor, tf.Tensor]

    def each(self, window: tf.Tensor, image: Callable[[tf.Tensor], tf.Tensor], shape: tuple[int, ...]) -> tf.Tensor:
        """Returns uint8 [U, *shape]: what `image` makes of the pixels of each frame's window (int32 [4])."""

        def decode(frame: tf.Tensor) -> tf.Tensor:
            same = tf.reduce_all(_size(frame) == self.size)
            with tf.control_dependencies([tf.debugging.Assert(same, ["a frame of another size"])]):
                return image(_decode(frame, window))

        images = successes(decode, self.jpeg, tf.TensorSpec(shape, tf.uint8))
        all_of_them = tf.shape(images)[0] == tf.size(self.jpeg)
        with tf.control_dependencies([require_intact(all_of_them, _UNDECODED, self.jpeg, *self.where)]):
            return tf.identity(images)


@dataclasses.dataclass(frozen=True)
class ClipDecoder:
    """How encoded frames become a clip.

    Attributes:
        spatial: which window, at what size.
        views: views of one video, V.
        frames: frames in one view, T.
        canvas: height and width of the canvas that windows are put on for `resize="device"`; None: resize here.
    """

    spatial: Spatial
    views: int
    frames: int
    canvas: tuple[int, int] | None = None

    @property
    def clip_bytes(self) -> int:
        """Bytes of one video's pixels, decoded."""
        height, width = self.canvas or self.spatial.output_size
        return self.views * (1 if self.canvas else self.spatial.crops) * self.frames * height * width * 3

    def __call__(self, element: Element) -> Element:
        """Returns the element with its pixels.

        Args:
            element: what `FrameSampler` returns.

        Returns:
            Without `frames`, `index` and `path`, with `video` uint8 [V * C, T, H, W, 3]; with a canvas `video`
            uint8 [V, T, canvas height, canvas width, 3], `boxes` int32 [V, C, 4] and `flip` bool [V].

        Raises (while iterating):
            tf.errors.InvalidArgumentError: a frame cannot be decoded; names the shard and the clip.
        """
        index = element["index"]
        frames = self._frames(element)
        rest = {key: value for key, value in element.items() if key not in ("frames", "index", "path")}
        # The first seed is the sampling's; see FrameSampler.
        seeds = stage_seeds(element["seed"], 1 + self.views)[1:]
        if self.spatial.random:
            views = [self._view(frames, index[view], seeds[view]) for view in range(self.views)]
            pixels = {key: tf.concat([view[key] for view in views], 0) for key in views[0]}
        else:
            # All views share their windows, so a frame that several views use is decoded once.
            pixels = self._shared(frames, index, seeds[0])
        return {**rest, **pixels}

    def _frames(self, element: Element) -> _Frames:
        jpeg = element["frames"]
        sizes = successes(_size, jpeg[:1], tf.TensorSpec([2], tf.int32))
        where = (element["path"], element["id"])
        with tf.control_dependencies([require_intact(tf.size(sizes) > 0, _UNDECODED, jpeg, *where)]):
            size = tf.identity(sizes)[0]
        return _Frames(jpeg, size, where)

    def _view(self, frames: _Frames, index: tf.Tensor, seed: tf.Tensor) -> Element:
        if self.views > 1:
            used, index = tf.unique(index)
            frames = frames._replace(jpeg=tf.gather(frames.jpeg, used))
        return self._shared(frames, index[None], seed)

    def _shared(self, frames: _Frames, index: tf.Tensor, seed: tf.Tensor) -> Element:
        """Decodes frames for views (int32 [v, T]) that share their windows."""
        windows = self.spatial.windows(frames.size[0], frames.size[1], seed)
        if self.canvas is None:
            images = self._images(frames, windows.boxes, windows.flip)
            return {"video": _arrange(images, index, self.spatial.crops)}
        canvases, boxes = self._canvases(frames, windows.boxes)
        return {
            "video": _arrange(canvases, index, 1),
            "boxes": tf.repeat(boxes[None], index.shape[0], axis=0),
            "flip": tf.repeat(windows.flip, index.shape[0]),
        }

    def _images(self, frames: _Frames, boxes: tf.Tensor, flip: tf.Tensor) -> tf.Tensor:
        """Returns uint8 [U, C, H, W, 3]."""
        hull, crops = _hull(boxes), self.spatial.crops
        inside = boxes - tf.concat([hull[:2], [0, 0]], 0)
        shape = (crops, *self.spatial.output_size, 3)

        def image(pixels: tf.Tensor) -> tf.Tensor:
            parts = [pixels] if crops == 1 else [_cut(pixels, inside[box]) for box in range(boxes.shape[0] or 1)]
            resized = tf.concat([_resize(part, self.spatial.output_size) for part in parts], 0)
            return tf.concat([resized, _mirror(resized)], 0) if self.spatial.mirrored else resized

        # Asked once a clip: a mirror that turns nothing round still costs each frame a slow copy.
        return _either(
            flip,
            lambda: frames.each(hull, lambda pixels: _mirror(image(pixels)), shape),
            lambda: frames.each(hull, image, shape),
        )

    def _canvases(self, frames: _Frames, boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns canvases, uint8 [U, 1, H, W, 3], and the boxes on them, int32 [C, 4]."""
        hull, canvas = _hull(boxes), self.canvas
        assert canvas is not None
        height, width = hull[2], hull[3]
        # A window larger than the canvas is made to fit, by the same factor on both sides.
        shrink = tf.maximum(tf.maximum(height / canvas[0], width / canvas[1]), 1.0)
        fitted = tf.cast(tf.cast(hull[2:], tf.float64) / shrink, tf.int32)
        inside = boxes - tf.concat([hull[:2], [0, 0]], 0)
        inside = tf.maximum(tf.cast(tf.cast(inside, tf.float64) / shrink, tf.int32), [0, 0, 1, 1])

        beside = tf.zeros(tf.stack([fitted[0], canvas[1] - fitted[1], 3]), tf.uint8)
        below = tf.zeros(tf.stack([canvas[0] - fitted[0], canvas[1], 3]), tf.uint8)

        def onto(pixels: tf.Tensor) -> tf.Tensor:
            # Six times as fast as tf.pad.
            return tf.concat([tf.concat([pixels, beside], 1), below], 0)[None]

        shape = (1, *canvas, 3)
        canvases = _either(
            shrink > 1.0,
            lambda: frames.each(hull, lambda pixels: onto(_resize(pixels, fitted)[0]), shape),
            lambda: frames.each(hull, onto, shape),
        )
        return canvases, inside


def _arrange(images: tf.Tensor, index: tf.Tensor, crops: int) -> tf.Tensor:
    """Returns uint8 [V * C, T, H, W, 3] from distinct images, [U, C, H, W, 3], and views, int32 [V, T]."""
    views, frames = index.shape[0] or 1, index.shape[1] or 1
    flat = tf.reshape(images, tf.concat([[-1], tf.shape(images)[2:]], 0))
    place = index[:, None] * crops + tf.range(crops)[None, :, None]
    if views == 1 and crops == 1:
        # Nearly always each frame is used once, in order: nothing to copy then.
        same = tf.size(index) == tf.shape(flat)[0]
        flat = tf.cond(same, lambda: flat, lambda: tf.gather(flat, index[0]))
        arranged = flat[None]
    else:
        arranged = tf.gather(flat, tf.reshape(place, [views * crops, frames]))
    return tf.ensure_shape(arranged, [views * crops, frames, *images.shape[2:]])


def _hull(boxes: tf.Tensor) -> tf.Tensor:
    """Returns int32 [4], the smallest box around `boxes`, int32 [C, 4]."""
    start = tf.reduce_min(boxes[:, :2], 0)
    return tf.concat([start, tf.reduce_max(boxes[:, :2] + boxes[:, 2:], 0) - start], 0)


def _size(frame: tf.Tensor) -> tf.Tensor:
    """Returns int32 [2], height and width of a JPEG frame."""
    return tf.io.extract_jpeg_shape(frame)[:2]


def _decode(frame: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Returns uint8 [H, W, 3], the window (int32 [4]) of a JPEG frame.

    With the exact transform pixels are those of OpenCV and Pillow, on which published models were trained; TensorFlow's
    default is another level in every second value, and no faster. Only the first and the last column of a window inside
    the frame may be off, since libjpeg does not look at the colours beside what it decodes.
    """
    return tf.image.decode_and_crop_jpeg(frame, window, channels=3, dct_method="INTEGER_ACCURATE")


def _cut(image: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    return image[box[0] : box[0] + box[2], box[1] : box[1] + box[3]]


def _either(condition: tf.Tensor, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """Returns what one of two functions returns; only one is built where the condition is known beforehand."""
    known = tf.get_static_value(condition)
    if known is not None:
        return then() if known else otherwise()
    return tf.cond(condition, then, otherwise)


def _mirror(images: tf.Tensor) -> tf.Tensor:
    """Returns uint8 [C, H, W, 3] with left and right exchanged."""
    # TensorFlow has a fast way for three axes with three channels alone; that for four is ten times slower.
    rows = tf.reshape(images, tf.concat([[-1], tf.shape(images)[2:]], 0))
    return tf.reshape(tf.raw_ops.Reverse(tensor=rows, dims=[False, True, False]), tf.shape(images))


def _resize(image: tf.Tensor, size: tuple[int, int] | tf.Tensor) -> tf.Tensor:
    """Returns uint8 [1, H, W, 3]: bilinear, pixel centres half a pixel in, rounded to the nearest level."""
    # TensorFlow's kernel is twice as fast on float32 as on uint8, the cast included.
    smooth = tf.raw_ops.ResizeBilinear(images=tf.cast(image, tf.float32)[None], size=size, half_pixel_centers=True)
    return tf.cast(smooth + 0.5, tf.uint8)
