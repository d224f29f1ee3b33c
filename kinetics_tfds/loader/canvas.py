"""How large the canvases of `resize="device"` have to be."""

from __future__ import annotations

import tensorflow as tf

from kinetics_tfds.errors import LoaderError
from kinetics_tfds.loader.source import Source
from kinetics_tfds.loader.spatial import Spatial


def default_canvas(source: Source, spatial: Spatial) -> tuple[int, int]:
    """Returns height and width that hold every window of frames of the size of the source's first clip."""
    return spatial.reach(*stored_size(source))


def stored_size(source: Source) -> tuple[int, int]:
    """Returns height and width of the first clip's frames, in pixels."""
    records = tf.data.TFRecordDataset(source.paths[0]).skip(source.skips[0]).take(1)
    for record in records:
        video = tf.io.parse_single_example(record, {"video": tf.io.VarLenFeature(tf.string)})["video"]
        height, width, _ = tf.io.extract_jpeg_shape(video.values[0]).numpy().tolist()
        return height, width
    raise LoaderError(f"Shard {source.paths[0]} holds no record.", "Check the dataset with `kinetics verify`.")
