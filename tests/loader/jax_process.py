"""One of several real JAX processes, run by test_jax_batches.py: prints what it saw as one line of JSON."""

import json
import sys

import jax

index, count, port = (int(word) for word in sys.argv[1:4])
jax.config.update("jax_num_cpu_devices", 2)
jax.distributed.initialize(f"127.0.0.1:{port}", count, index)

import jax.numpy as jnp  # noqa: E402  after the processes have met
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from kinetics_tfds.loader.devices.jax_batches import JaxBatches, local_rows  # noqa: E402


def main():
    dataset = tf.data.Dataset.range(24).shard(count, index).map(
        lambda i: {"video": tf.fill([2, 4, 4, 3], tf.cast(i, tf.uint8)), "label": tf.cast(i, tf.int32), "id": tf.strings.as_string(i)}
    )  # fmt: skip
    batches = JaxBatches(dataset.batch(4))
    # A sum over all processes' rows needs a collective: it only comes out right if the array is one global array.
    total = jax.jit(lambda video: jnp.sum(video[:, 0, 0, 0, 0].astype(jnp.int32)))
    double = jax.jit(lambda label: 2 * label)
    seen, sums, shapes = [], [], []
    for batch in batches:
        sums.append(int(total(batch["video"])))
        shapes.append(list(batch["video"].shape))
        rows = local_rows(double(batch["label"]))
        np.testing.assert_array_equal(rows, 2 * batch["id"].astype(int))
        seen += batch["id"].astype(int).tolist()
    print(json.dumps({"devices": jax.device_count(), "seen": seen, "sums": sums, "shapes": shapes}), flush=True)


main()
