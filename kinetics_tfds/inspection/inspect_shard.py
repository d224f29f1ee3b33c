"""Inspects the clips of one shard, in any process on any machine."""

from __future__ import annotations

from typing import Any

from tensorflow_datasets.proto import tf_example_pb2

from kinetics_tfds.inspection.flags import inspect_clip, sampled_indices
from kinetics_tfds.prepared.dataset import Prepared, open_prepared
from kinetics_tfds.shards.records import read_records


def inspect_shard(prepared: Prepared | str, split: str, number: int) -> dict[str, Any]:
    """Returns `{"clips": [...]}`, plain JSON values: of each intact record its id, flags and hashes (hexadecimal).

    Args:
        prepared: the dataset or its folder.
        split: the shard's.
        number: the shard's, within the split.
    """
    if isinstance(prepared, str):
        prepared = open_prepared(prepared)
    shard = prepared.shard(split, number)
    clips = []
    for raw in read_records(shard.path, shard.file_format):
        if raw.data is None or raw.problem is not None:
            continue  # `kinetics verify` names it
        features = tf_example_pb2.Example.FromString(raw.data).features.feature
        images = features["video"].bytes_list.value
        width, height = (features[f"original_{side}"].int64_list.value[0] for side in ("width", "height"))
        found = inspect_clip([images[index] for index in sampled_indices(len(images))], width, height)
        if found is not None:
            identity = features["id"].bytes_list.value[0].decode()
            hashes = [f"{value:016x}" for value in found.hashes]
            clips.append({"id": identity, "flags": list(found.flags), "hashes": hashes})
    return {"clips": clips}
