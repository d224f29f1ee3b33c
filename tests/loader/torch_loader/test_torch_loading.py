from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-torch")

from kinetics_tfds import loader  # noqa: E402
from kinetics_tfds.errors import ConfigError, LoaderError  # noqa: E402
from kinetics_tfds.loader import Recipe  # noqa: E402
from kinetics_tfds.loader import torch as torch_loader  # noqa: E402

REPEATED = loader.Preset(
    name="repeated",
    train=Recipe(sampling=loader.RandomClip(8, 2, clips=2), spatial=loader.RandomResizedCrop(32)),
    evaluate=Recipe(sampling=loader.UniformClips(8, 4, clips=3), spatial=loader.ThreeCrop(32)),
)


def batches(built, split="train", workers=0, **choices):
    choices = {"preset": REPEATED, "batch_size": 4, "seed": 5, **choices}
    return torch_loader.make_dataloader(built, split, num_workers=workers, **choices)


def as_arrays(batch):
    return {"id": batch["id"], **{key: batch[key].tolist() for key in ("label", "mask")}, "video": batch["video"].sum()}


@pytest.mark.parametrize("layout", ["NCTHW", "NTHWC"])
def test_training_batches_are_those_of_tensorflow(built, layout):
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(built)
    of_tensorflow = loader.make_dataset(builder, "train", preset=REPEATED, batch_size=4, seed=5, epochs=2)
    of_torch = batches(built, epochs=2, layout=layout)
    assert len(of_torch) == len(of_tensorflow) == 14
    for batch, other in zip(of_torch, of_tensorflow.as_numpy_iterator(), strict=True):
        video = batch["video"].movedim(1, -1) if layout == "NCTHW" else batch["video"]
        assert batch["video"].dtype == torch.uint8
        assert [key.encode() for key in batch["id"]] == other["id"].tolist()
        assert batch["label"].tolist() == other["label"].tolist()
        assert batch["mask"].all()
        difference = np.abs(video.numpy().astype(int) - other["video"].astype(int))
        assert difference.mean() < 0.5


def test_evaluation_gives_every_clip_once_over_all_ranks(built):
    scores, steps = loader.Scores(), set()
    for rank in range(4):
        of_rank = batches(built, "validation", batch_size=4, shard=(rank, 4))
        steps.add(len(of_rank))
        for batch in of_rank:
            assert batch["video"].shape == (4, 9, 3, 8, 32, 32)
            logits = torch.nn.functional.one_hot(batch["label"].clamp(min=0), 5).to(torch.bfloat16).requires_grad_()
            scores.add(logits, batch)
    assert steps == {1}
    result = scores.result()
    assert {key: result[key] for key in ("top1", "videos", "unlabelled")} == {"top1": 1.0, "videos": 6, "unlabelled": 0}


def test_workers_change_nothing_and_import_no_tensorflow(built):
    code = """if True:
        import sys
        import torch
        from kinetics_tfds.loader import torch as torch_loader

        class Spy(torch_loader.ClipDataset):
            def __getitem__(self, place):
                assert "tensorflow" not in sys.modules
                return super().__getitem__(place)

        clips = Spy(sys.argv[1], "train", preset="slowfast_8x8", seed=1)
        loader = torch.utils.data.DataLoader(
            clips, 4, num_workers=2, collate_fn=torch_loader.collate
        )
        if __name__ == "__main__":
            print([key[5:11] for batch in loader for key in batch["id"]])
    """
    done = subprocess.run([sys.executable, "-c", code, built], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one = [key[5:11] for batch in batches(built, preset="slowfast_8x8", batch_size=1, seed=1) for key in batch["id"]]
    assert done.stdout.strip() == str(one)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_state_restores_at_every_step(built, workers):
    whole = [as_arrays(batch) for batch in batches(built, epochs=2)]
    running = batches(built, workers=workers, epochs=2)
    states = []
    for batch, expected in zip(running, whole, strict=True):
        assert as_arrays(batch) == expected
        states.append(running.state_dict())
    for step in [1, 6, 13] if workers else range(1, 14):
        resumed = batches(built, workers=workers, epochs=2)
        resumed.load_state_dict(states[step - 1])
        assert [as_arrays(batch) for batch in resumed] == whole[step:]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_state_of_another_pipeline_is_refused(built, workers):
    running = batches(built, workers=workers)
    next(iter(running))
    state = running.state_dict()
    for other in ({"seed": 6}, {"shard": (0, 2)}, {"classes": [1, 2]}, {"preset": "slowfast_8x8"}):
        resumed = batches(built, workers=workers, **other)
        resumed.load_state_dict(state)
        with pytest.raises(
            (LoaderError, RuntimeError), match="saved state is of another pipeline"
        ):  # workers add words
            next(iter(resumed))


def test_choices_are_checked(built):
    with pytest.raises(ConfigError, match="batch_size is 3"):
        batches(built, batch_size=3)
    with pytest.raises(ConfigError, match="do not fill a batch"):
        batches(built, batch_size=40)
    with pytest.raises(ConfigError, match="layout"):
        batches(built, layout="NHWC")
    with pytest.raises(ConfigError, match="either a preset or a recipe"):
        batches(built, preset=None)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_normalise_takes_tensors(dtype):
    video = torch.arange(24, dtype=torch.uint8).reshape(2, 2, 2, 3)
    done = loader.normalise(video, "imagenet", dtype)
    assert done.dtype == getattr(torch, dtype)
    np.testing.assert_allclose(done.float(), loader.normalise(video.numpy(), "imagenet"), rtol=1e-2, atol=1e-2)
    first = loader.normalise(video.movedim(-1, 0)[None], "imagenet", dtype, channels=1)
    torch.testing.assert_close(first[0].movedim(0, -1), done)
    leaf = torch.full((1, 3), 100.0, requires_grad=True)
    loader.normalise(leaf, "imagenet").sum().backward()
    assert (leaf.grad > 0).all()
