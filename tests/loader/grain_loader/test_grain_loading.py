from __future__ import annotations

import numpy as np
import pytest

grain = pytest.importorskip("grain", reason="Grain is not installed: pip install '.[grain]'")

from kinetics_tfds import loader  # noqa: E402
from kinetics_tfds.errors import ConfigError  # noqa: E402
from kinetics_tfds.loader import Recipe  # noqa: E402
from kinetics_tfds.loader import grain as grain_loader  # noqa: E402

REPEATED = loader.Preset(
    name="repeated",
    train=Recipe(sampling=loader.RandomClip(8, 2, clips=2), spatial=loader.RandomResizedCrop(32)),
    evaluate=Recipe(sampling=loader.UniformClips(8, 4, clips=3), spatial=loader.ThreeCrop(32)),
)


def batches(built, split="train", **choices):
    return grain_loader.make_dataset(built, split, **{"preset": REPEATED, "batch_size": 4, "seed": 5, **choices})


def test_training_batches_are_those_of_tensorflow(built):
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(built)
    of_tensorflow = loader.make_dataset(builder, "train", preset=REPEATED, batch_size=4, seed=5, epochs=2)
    of_grain = batches(built, epochs=2)
    assert len(of_grain) == len(of_tensorflow) == 14
    for batch, other in zip(of_grain, of_tensorflow.as_numpy_iterator(), strict=True):
        assert batch["id"].tolist() == other["id"].tolist()
        assert batch["label"].tolist() == other["label"].tolist()
        assert (batch["video"].dtype, batch["video"].shape) == (np.uint8, other["video"].shape)
        assert np.abs(batch["video"].astype(int) - other["video"].astype(int)).mean() < 0.5


def test_evaluation_gives_every_clip_once_over_all_processes(built):
    scores = loader.Scores()
    for process in range(4):
        (batch,) = batches(built, "validation", shard=(process, 4))
        assert batch["video"].shape == (4, 9, 8, 32, 32, 3)
        scores.add(np.eye(5)[batch["label"]], batch)
    assert scores.result()["videos"] == 6
    assert scores.result()["top1"] == 1.0


def test_a_state_restores_at_every_step(built):
    def iterate():
        return iter(batches(built).to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=2)))

    running, states, whole = iterate(), [], []
    for batch in running:
        whole.append((batch["id"].tolist(), int(batch["video"].sum())))
        states.append(running.get_state())
    assert len(whole) == 7
    for step, state in enumerate(states, 1):
        resumed = iterate()
        resumed.set_state(state)
        assert [(batch["id"].tolist(), int(batch["video"].sum())) for batch in resumed] == whole[step:]


def test_batches_that_views_do_not_divide_are_refused(built):
    with pytest.raises(ConfigError, match="batch_size is 3"):
        batches(built, batch_size=3)
