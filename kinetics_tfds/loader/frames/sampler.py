"""Sample: from a serialised record to the few encoded frames that one example needs."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from kinetics_tfds.loader.frames.sampling import Sampling
from kinetics_tfds.loader.randomness import example_seed, stage_seeds

# Tensors by name; an address among them where damage is skipped.
Element = dict[str, Any]

_MANY = {"shape": [], "allow_missing": True}


@dataclasses.dataclass(frozen=True)
class FrameSampler:
    """What is taken from a record.

    Attributes:
        sampling: which frames.
        seed: the loader's seed.
        audio_samples: length of the audio beside each view, in samples; 0: none.
        audio_rate: samples a second of the stored audio.
        frame_times: give the sampled frames' numbers and times too.
    """

    sampling: Sampling
    seed: int
    audio_samples: int = 0
    audio_rate: int = 0
    frame_times: bool = False

    def __call__(
        self, record: tf.Tensor, path: tf.Tensor, known_id: tf.Tensor, epoch: tf.Tensor, repeat: tf.Tensor
    ) -> Element:
        """Returns the example's encoded frames and what describes them.

        Args:
            record: string scalar, a serialised `tf.train.Example`.
            path: string scalar, its shard, for messages.
            known_id: string scalar, the id that the index has for it; empty: unknown.
            epoch: int64 scalar.
            repeat: int64 scalar, how often the record came before in this epoch.

        Returns:
            `frames` string [U], the distinct JPEG frames; `index` int32 [V, T], which of them make up the views;
            `label` int32, `id` string, `path` string, `seed` int64 [2]; `audio` int16 [V, S],
            `frame_index` int32 [V, T] and `frame_time` float32 [V, T] if asked for.

        Raises (while iterating):
            tf.errors.InvalidArgumentError: the record is of another clip than the index says, or a frame is not a whole
                JPEG image; names the shard and the clip.
        """
        fields = self._parse(record)
        count = tf.size(fields["video"])
        seed = example_seed(self.seed, epoch, fields["id"], repeat)
        checks = [
            _require_id(fields["id"], known_id, path),
            _require_frames(count, fields["timestamps"], path, fields["id"]),
        ]
        with tf.control_dependencies(checks):
            index = self.sampling.indices(count, fields["timestamps"], stage_seeds(seed, 1)[0])
        used, place = tf.unique(tf.reshape(index, [-1]))
        frames = tf.gather(fields["video"], used)
        with tf.control_dependencies([_require_jpeg(frames, path, fields["id"])]):
            element = {
                "frames": tf.identity(frames),
                "index": tf.reshape(place, [self.sampling.views, self.sampling.num_frames]),
                "label": tf.cast(fields["label"], tf.int32),
                "id": fields["id"],
                "path": path,
                "seed": seed,
            }
        if self.frame_times:
            element["frame_index"] = index
            element["frame_time"] = tf.gather(fields["timestamps"], index)
        if self.audio_samples:
            times = tf.gather(fields["timestamps"], index[:, 0])
            element["audio"] = self._audio(fields["audio"], times)
        return element

    def _parse(self, record: tf.Tensor) -> Element:
        spec = {
            "video": tf.io.VarLenFeature(tf.string),
            "timestamps": tf.io.FixedLenSequenceFeature(dtype=tf.float32, **_MANY),
            "label": tf.io.FixedLenFeature([], tf.int64),
            "id": tf.io.FixedLenFeature([], tf.string),
        }
        if self.audio_samples:
            spec["audio"] = tf.io.FixedLenFeature([], tf.string)
        # As a batch of one and as VarLenFeature, frames are copied once on their way out; else two or three times.
        fields: Element = tf.io.parse_example(tf.reshape(record, [1]), spec)
        video = fields.pop("video").values
        return {"video": video, **{name: value[0] for name, value in fields.items()}}

    def _audio(self, stored: tf.Tensor, times: tf.Tensor) -> tf.Tensor:
        """Returns int16 [V, S] from `times` (float32 [V], seconds) on; silence after the clip's end."""
        samples = tf.io.decode_raw(stored, tf.int16)
        start = tf.cast(tf.round(times * self.audio_rate), tf.int32)
        place = start[:, None] + tf.range(self.audio_samples)
        inside = (place >= 0) & (place < tf.size(samples))
        samples = tf.concat([samples, [0]], 0)
        return tf.gather(samples, tf.where(inside, place, tf.size(samples) - 1))


def _require_id(key: tf.Tensor, known: tf.Tensor, path: tf.Tensor) -> tf.Operation:
    return tf.debugging.Assert(
        (known == key) | (known == b""),
        ["Damaged record: shard", path, "holds the id", key, "where the index has id", known],
        name="damaged_record",
    )


def _require_frames(count: tf.Tensor, timestamps: tf.Tensor, path: tf.Tensor, key: tf.Tensor) -> tf.Operation:
    return tf.debugging.Assert(
        (count > 0) & (count == tf.size(timestamps)),
        ["Damaged record: shard", path, "id", key, "has frames and timestamps that do not match; frames:", count],
        name="damaged_record",
    )


def _require_jpeg(frames: tf.Tensor, path: tf.Tensor, key: tf.Tensor) -> tf.Operation:
    """Checks the first and last bytes, which a truncated or foreign file does not have; costs microseconds."""
    length = tf.strings.length(frames)
    start = tf.strings.substr(frames, tf.zeros_like(length), 3 * tf.ones_like(length))
    end = tf.strings.substr(frames, tf.maximum(length - 2, 0), 2 * tf.ones_like(length))
    whole = (start == b"\xff\xd8\xff") & (end == b"\xff\xd9")
    return require_intact(tf.reduce_all(whole), "has a frame that is no whole JPEG image", frames, path, key)


def require_intact(
    intact: tf.Tensor, otherwise: str, frames: tf.Tensor, path: tf.Tensor, key: tf.Tensor
) -> tf.Operation:
    """Returns an op that fails unless `intact`, naming the shard (`path`) and the clip (`key`) of the frames."""
    return tf.debugging.Assert(
        intact,
        ["Damaged frame: shard", path, "id", key, f"{otherwise}; frame lengths:", tf.strings.length(frames)],
        name="damaged_frame",
    )
