"""What the training examples train on: the embedded sample, drawn and built on first use, or a dataset of yours."""

from __future__ import annotations

import argparse
import os
import pathlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

import kinetics_tfds  # noqa: F401  registers the datasets
from kinetics_tfds import loader
from kinetics_tfds.config import KineticsConfig
from kinetics_tfds.errors import ConfigError
from kinetics_tfds.sample import make_sample

# Few pixels and frames, so that two cores are enough: a motion of the sample takes a second, ten frames show it.
_FRAMES = 16
_SIZE = 40
_SAMPLE = KineticsConfig(name="small_sample", short_side=48, fps=10.0, description="The sample, for training examples.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that all examples have."""
    parser.add_argument(
        "--workdir", type=pathlib.Path, default=pathlib.Path("training"), help="checkpoints, and the sample"
    )
    parser.add_argument("--dataset", help="a prepared dataset, such as kinetics600/jpeg256; without it the sample")
    parser.add_argument("--data_dir", help="where it is")
    parser.add_argument("--preset", help="input pipeline of --dataset: a preset's name or YAML file")
    parser.add_argument("--clips_per_class", type=int, default=32, help="size of the sample; a quarter is held out")
    parser.add_argument("--batch_size", type=int, default=16, help="clips in a batch of this host")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--checkpoint_every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--learning_rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=0)


def open_builder(args: argparse.Namespace) -> Any:
    """Returns the builder of the dataset to train on.

    Raises:
        ConfigError: a dataset is named, but not how its frames are chosen.
    """
    if args.dataset:
        if not args.preset:
            raise ConfigError("--dataset is given without --preset.", "Add one, such as --preset=slowfast_8x8.")
        return tfds.builder(args.dataset, data_dir=args.data_dir)
    folder = args.workdir / f"sample_{args.clips_per_class}"
    builder = tfds.builder("kinetics600", config=_SAMPLE, data_dir=folder / "data")
    if not builder.info.splits:
        print(f"drawing and building the sample in {folder}", flush=True)
        make_sample(folder / "clips", "kinetics600", clips_per_class=args.clips_per_class)
        download = tfds.download.DownloadConfig(manual_dir=folder / "clips", verify_ssl=True)
        builder.download_and_prepare(download_dir=folder / "downloads", download_config=download)
    return builder


def prepare_elsewhere(args: argparse.Namespace) -> str:
    """Returns the folder of the dataset to train on, prepared in a process of its own.

    TensorFlow, which builds it, and PyTorch's compiler do not go together in one process.
    """
    words = [f"--{name}={value}" for name, value in vars(args).items() if name in _NAMES and value is not None]
    command = [sys.executable, __file__, *words]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1]


def recipes(args: argparse.Namespace) -> tuple[loader.Recipe, loader.Recipe]:
    """Returns the recipes to train and to evaluate with."""
    if args.preset:
        preset = loader.get_preset(args.preset)
        return preset.train, preset.evaluate
    return _SAMPLE_TRAIN, _SAMPLE_EVALUATE


def training_batches(builder: Any, args: argparse.Namespace, shard: tuple[int, int]) -> Any:
    """Returns endless training batches, uint8, and their recipe."""
    recipe, _ = recipes(args)
    dataset = loader.make_dataset(
        builder, "train", sampling=recipe.sampling, spatial=recipe.spatial, augment=recipe.augment, mix=recipe.mix,
        batch_size=args.batch_size, seed=args.seed, shard=shard,
    )  # fmt: skip
    return dataset, recipe


def evaluation_batches(builder: Any, args: argparse.Namespace, shard: tuple[int, int]) -> Any:
    """Returns the held-out videos with all their views, each once."""
    _, recipe = recipes(args)
    return loader.make_dataset(
        builder, "validation", sampling=recipe.sampling, spatial=recipe.spatial, batch_size=args.batch_size, shard=shard
    )


def steps_per_epoch(builder: Any, args: argparse.Namespace, recipe: Any, hosts: int) -> int:
    """Returns how many batches one pass over the training split gives each host."""
    views = recipe.sampling.views * recipe.spatial.crops
    return loader.steps_per_epoch(builder, "train", args.batch_size, shard_count=hosts, views=views)


def merged(scores: loader.Scores, allgather: Callable[[np.ndarray], np.ndarray]) -> loader.Scores:
    """Returns the scores of all hosts; `allgather` stacks each host's array (as `process_allgather` of JAX does)."""
    own = np.frombuffer(pickle.dumps(scores), np.uint8)
    lengths = np.asarray(allgather(np.array(len(own))))
    padded = np.zeros(lengths.max(), np.uint8)
    padded[: len(own)] = own
    whole = loader.Scores()
    for row, length in zip(np.asarray(allgather(padded)), lengths, strict=True):
        whole.merge(pickle.loads(row[:length].tobytes()))
    return whole


def told(result: dict[str, float]) -> str:
    """Returns the scores as one line."""
    shares = ", ".join(
        f"{name} {result[key]:.1%}"
        for name, key in (("top-1", "top1"), ("top-5", "top5"), ("mean class", "mean_class"))
    )
    return f"{shares} of {result['videos']} held-out videos"


_SAMPLE_TRAIN = loader.Recipe(
    sampling=loader.RandomClip(_FRAMES),
    spatial=loader.ScaleJitter(_SIZE, short_side=(44, 54)),
    mean=0.45,
    std=0.225,
)
_SAMPLE_EVALUATE = loader.Recipe(
    sampling=loader.UniformClips(_FRAMES, clips=4), spatial=loader.ThreeCrop(_SIZE, short_side=48), mean=0.45, std=0.225
)


# What `open_builder` looks at.
_NAMES = ("workdir", "dataset", "data_dir", "preset", "clips_per_class")

if __name__ == "__main__":
    _parser = argparse.ArgumentParser(description="Prepares the dataset and prints its folder.")
    add_arguments(_parser)
    print(os.fspath(open_builder(_parser.parse_args()).data_path))
