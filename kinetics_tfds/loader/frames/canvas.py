"""How large the canvases of `resize="device"` have to be."""

from __future__ import annotations

import tensorflow as tf

from kinetics_tfds.errors import LoaderError
from kinetics_tfds.loader.frames.spatial import Spatial
from kinetics_tfds.loader.records.source import Source


def default_canvas(source: Source, spatial: Spatial) -> tuple[int, int]:
    """Returns height and width that hold every window of frames of the size of the source's first undamaged clip."""
    return spatial.window_size(*stored_size(source))


def stored_size(source: Source) -> tuple[int, int]:
    """Returns height and width of the frames of the first clip that can be read, in pixels."""
    for path, skip in zip(source.paths, source.skips, strict=True):
        try:
            for record in tf.data.TFRecordDataset(path).skip(skip).take(1):
                video = tf.io.parse_single_example(record, {"video": tf.io.VarLenFeature(tf.string)})["video"]
                height, width, _ = tf.io.extract_jpeg_shape(video.values[0]).numpy().tolist()
                return height, width
        except tf.errors.OpError:
            continue  # it is named when it is read for the batches; a canvas can be told from another shard
    raise LoaderError(
        f"No shard of {source.name} starts with a clip that can be read, so the canvas's size is not known.",
        "Check the dataset with `kinetics verify`, or pass canvas=(height, width).",
    )
