"""Trains a small 3D convnet in JAX, on all devices of all processes; goes on where it was killed.

    python examples/train_jax.py                                       # the sample: over 90 % in minutes, on two cores
    python examples/train_jax.py --dataset=kinetics600/jpeg256 --data_dir=DATA --preset=x3d_m --batch_size=64

On several hosts run it on each, with --distributed (TPU pods and Slurm tell JAX the rest) or with --coordinator,
--process and --processes. Checkpoints hold the model, the optimiser and the place in the data: a run that was killed
ends with the same numbers as one that was not.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import sys
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import training_data
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec

from kinetics_tfds import loader

# Stages of the net: spatial kernel, spatial stride, temporal stride.
STAGES = ((5, 2, 1), (3, 2, 2), (3, 2, 2))


def init_model(seed: int, width: int, classes: int) -> dict[str, jax.Array]:
    """Returns the weights of an R(2+1)D net: each 3D kernel is a spatial one, then a temporal one.

    Split like this the convolutions are 2D, which XLA does several times faster on a CPU.
    """
    keys = iter(jax.random.split(jax.random.key(seed), 2 * len(STAGES) + 1))
    weights, channels = {}, 3
    for stage, (kernel, _, _) in enumerate(STAGES):
        wide = width * 2**stage
        he = (2 / (kernel * kernel * channels)) ** 0.5
        weights[f"space{stage}"] = 0.7 * he * jax.random.normal(next(keys), (kernel, kernel, channels, wide))
        weights[f"time{stage}"] = (2 / (3 * wide)) ** 0.5 * jax.random.normal(next(keys), (3 * wide, wide))
        weights[f"bias{stage}"] = jnp.zeros(wide)
        channels = wide
    weights["head"] = 0.1 * jax.random.normal(next(keys), (channels, classes))
    weights["head_bias"] = jnp.zeros(classes)
    return weights


def apply_model(weights: dict[str, jax.Array], video: jax.Array) -> jax.Array:
    """Returns logits float32 [B, classes] of clips float32 [B, T, H, W, 3]."""
    x = video - video.mean(axis=1, keepdims=True)  # what stands still says nothing about a motion
    for stage, (_, stride, step) in enumerate(STAGES):
        batch, frames, height, width, channels = x.shape
        flat = x.reshape(batch * frames, height, width, channels)
        dimensions = ("NHWC", "HWIO", "NHWC")
        flat = jax.lax.conv_general_dilated(
            flat, weights[f"space{stage}"], (stride, stride), "SAME", dimension_numbers=dimensions
        )
        x = flat.reshape(batch, frames, *flat.shape[1:])
        padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0), (0, 0)))
        three = jnp.concatenate([padded[:, :-2], x, padded[:, 2:]], axis=-1)[:, ::step]
        x = jax.nn.relu(three @ weights[f"time{stage}"] + weights[f"bias{stage}"])
    return x.mean(axis=(1, 2, 3)) @ weights["head"] + weights["head_bias"]


def loss_of(weights: dict[str, jax.Array], video: jax.Array, label: jax.Array) -> jax.Array:
    """Returns the mean cross entropy; labels are indices [B], or soft [B, classes] after mixing."""
    log_chance = jax.nn.log_softmax(apply_model(weights, video))
    soft = label if label.ndim == 2 else jax.nn.one_hot(label, log_chance.shape[-1])
    return -jnp.mean(jnp.sum(soft * log_chance, axis=-1))


@partial(jax.jit, donate_argnums=0, static_argnames=("by", "rate", "steps"))
def train_step(state: dict[str, Any], video: jax.Array, label: jax.Array, by: Any, rate: float, steps: int) -> tuple:
    """Returns the state after one step of Adam with a cosine schedule, and the loss before it."""
    loss, slope = jax.value_and_grad(loss_of)(state["weights"], loader.normalise(video, by), label)
    step = state["step"] + 1
    warm = jnp.minimum(1.0, step / 20)
    now = rate * warm * 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(step / steps, 1.0)))
    first = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, state["first"], slope)
    second = jax.tree.map(lambda old, new: 0.99 * old + 0.01 * new**2, state["second"], slope)

    def moved(weight: jax.Array, mean: jax.Array, power: jax.Array) -> jax.Array:
        return weight - now * (mean / (1 - 0.9**step)) / (jnp.sqrt(power / (1 - 0.99**step)) + 1e-8)

    weights = jax.tree.map(moved, state["weights"], first, second)
    return {"weights": weights, "first": first, "second": second, "step": step}, loss


@partial(jax.jit, static_argnames="by")
def view_chances(weights: dict[str, jax.Array], video: jax.Array, by: Any) -> jax.Array:
    """Returns float32 [B, V, classes] of videos uint8 [B, V, T, H, W, 3], one view at a time to save memory."""
    one_view = partial(apply_model, weights)
    views = jax.lax.map(lambda view: one_view(loader.normalise(view, by)), jnp.moveaxis(video, 1, 0))
    return jnp.moveaxis(jax.nn.softmax(views), 0, 1)


def evaluate(weights: dict[str, jax.Array], builder: Any, args: argparse.Namespace, recipe: Any) -> Any:
    """Returns the scores of the held-out videos: each counted once, its views averaged."""
    shard = (jax.process_index(), jax.process_count())
    scores = loader.Scores()
    dataset = training_data.evaluation_batches(builder, args, shard)
    for batch in loader.JaxBatches(dataset, resume_every=None):
        chances = view_chances(weights, batch.pop("video"), recipe)
        scores.add(loader.local_rows(chances), loader.local_rows(batch))
    return training_data.merged(scores, multihost_utils.process_allgather) if shard[1] > 1 else scores


def save(folder: pathlib.Path, state: dict[str, Any], batches: loader.JaxBatches) -> None:
    """Writes a checkpoint under a temporary name and gives it its own when it is whole; keeps the last two."""
    step = int(state["step"])
    half = folder / "half"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    leaves: dict[str, Any] = {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
    np.savez(half / "state.npz", **leaves)
    batches.save(half / "iterator")
    half.rename(folder / f"step_{step:07d}")
    for old in sorted(folder.glob("step_*"))[:-2]:
        shutil.rmtree(old)


def restore(folder: pathlib.Path, state: dict[str, Any], batches: loader.JaxBatches) -> dict[str, Any]:
    """Returns the state of the last checkpoint that all processes have, or the one passed."""
    steps = [int(path.name.removeprefix("step_")) for path in folder.glob("step_*")]
    last = int(np.min(multihost_utils.process_allgather(np.array(max(steps, default=0)))))
    if last == 0:
        return state
    found = folder / f"step_{last:07d}"
    with np.load(found / "state.npz") as leaves:
        tree = jax.tree.unflatten(jax.tree.structure(state), [leaves[str(i)] for i in range(len(leaves))])
    batches.restore(found / "iterator")
    print(f"going on after step {last}", flush=True)
    return tree


def train(args: argparse.Namespace) -> float:
    """Trains, and returns the top-1 accuracy on the held-out videos."""
    builder = training_data.open_builder(args)
    shard = (jax.process_index(), jax.process_count())
    dataset, recipe = training_data.training_batches(builder, args, shard)
    batches = loader.JaxBatches(dataset)
    steps = args.epochs * training_data.steps_per_epoch(builder, args, recipe, shard[1])
    weights = init_model(args.seed, args.width, builder.info.features["label"].num_classes)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    state = {"weights": weights, "first": zeros, "second": zeros, "step": jnp.array(0)}
    folder = args.workdir / f"jax_{shard[0]}"
    state = restore(folder, state, batches)
    # The same on every device; each step's mean over the global batch makes XLA add up the gradients.
    everywhere = NamedSharding(batches.sharding.mesh, PartitionSpec())
    state = jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(everywhere, np.asarray(leaf)), state)
    for step in range(int(state["step"]) + 1, steps + 1):
        batch = next(batches)
        state, loss = train_step(state, batch["video"], batch["label"], by=recipe, rate=args.learning_rate, steps=steps)
        if step % 50 == 0 or step in (1, steps):
            print(f"step {step} of {steps}: loss {float(loss):.3f}", flush=True)
        if step % args.checkpoint_every == 0 or step == steps:
            save(folder, state, batches)
    batches.close()
    result = evaluate(state["weights"], builder, args, recipe).result()
    print(training_data.told(result), flush=True)
    return result["top1"]


def main() -> int:
    """Reads the arguments, meets the other processes, trains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    training_data.add_arguments(parser)
    parser.add_argument("--width", type=int, default=8, help="channels of the first stage")
    parser.add_argument("--distributed", action="store_true", help="several processes; JAX finds out the rest")
    parser.add_argument("--coordinator", help="host:port of the first of several processes")
    parser.add_argument("--process", type=int, help="index of this process")
    parser.add_argument("--processes", type=int, help="how many there are")
    args = parser.parse_args()
    if args.distributed or args.coordinator:
        jax.distributed.initialize(args.coordinator, args.processes, args.process)
    tf.config.set_visible_devices([], "GPU")  # TensorFlow only loads here; the accelerators are JAX's
    train(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
