"""On a machine without a GPU the same code runs with nvImageCodec's CPU backend."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-torch")
pytest.importorskip("nvidia.nvimgcodec", reason="nvImageCodec is not installed: pip install '.[gpu]'")

from kinetics_tfds import loader  # noqa: E402
from kinetics_tfds.errors import LoaderError  # noqa: E402
from kinetics_tfds.loader import Recipe  # noqa: E402
from kinetics_tfds.loader.gpu import DeviceBatches, WindowDecoder  # noqa: E402
from kinetics_tfds.loader.random_access.views import EncodedView, ViewReader  # noqa: E402
from kinetics_tfds.loader.torch import make_dataloader  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
RECIPES = [
    Recipe(sampling=loader.RandomClip(8, 2, clips=2), spatial=loader.RandomResizedCrop(32)),
    Recipe(sampling=loader.RandomClip(60, 2), spatial=loader.ScaleJitter(32, short_side=(40, 50))),
    Recipe(sampling=loader.UniformClips(8, 4, clips=3), spatial=loader.ThreeCrop((32, 40))),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=["repeated", "looped", "three crops"])
def test_the_same_pixels_as_on_the_host(built, recipe):
    reader = ViewReader(loader.ClipSource(built, "train"), recipe, seed=1, training=True)
    decode = WindowDecoder(recipe.spatial.output_size, DEVICE, threads=1)
    for position in range(4):
        _, views = reader.encoded(position, epoch=2)
        video = decode(views)
        assert (video.dtype, video.device.type) == (torch.uint8, DEVICE)
        host = reader.read(position, epoch=2)["video"]
        difference = np.abs(video.movedim(1, -1).cpu().numpy().astype(int) - host.astype(int))
        assert difference.mean() < 0.5
        assert (difference > 8).mean() < 0.01


@pytest.mark.parametrize("ahead", [0, 2])
def test_batches_are_those_of_the_host(built, ahead):
    choices = {"recipe": RECIPES[0], "batch_size": 4, "seed": 3, "num_workers": 0}
    encoded = make_dataloader(built, "train", encoded=True, **choices)
    on_device = DeviceBatches(encoded, WindowDecoder((32, 32), DEVICE, threads=1), ahead=ahead)
    seen = 0
    for batch, host in zip(on_device, make_dataloader(built, "train", **choices), strict=True):
        assert batch["id"] == host["id"]
        assert batch["label"].tolist() == host["label"].tolist()
        assert batch["video"].shape == host["video"].shape == (4, 3, 8, 32, 32)
        assert (batch["video"].cpu().float() - host["video"].float()).abs().mean() < 0.5
        seen += 1
    assert seen == 7


def test_frames_that_cannot_be_decoded_are_an_error(built):
    _, (view, *_) = ViewReader(loader.ClipSource(built, "train"), RECIPES[0], seed=1, training=True).encoded(0)
    broken = EncodedView([view.images[0][:400], *view.images[1:]], view.index, view.boxes, view.flip, view.size)
    with pytest.raises((LoaderError, RuntimeError)):
        WindowDecoder((32, 32), DEVICE, threads=1)([broken])


def test_a_batch_goes_to_jax_without_a_copy():
    jax = pytest.importorskip("jax")
    video = torch.arange(24, dtype=torch.uint8, device=DEVICE).reshape(2, 12)
    assert np.asarray(jax.dlpack.from_dlpack(video)).tolist() == video.cpu().tolist()
