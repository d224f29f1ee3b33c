"""Reads a dataset twice and prints by how many bytes that raised the process's peak of memory; run by test_memory.py.

python memory_process.py DATASET_FOLDER SPLIT
"""

import pathlib
import re
import sys

import tensorflow_datasets as tfds

from kinetics_tfds import loader


def _peak():
    # The kernel's count for this process; that of `getrusage` may be the parent's, from before the program started.
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", pathlib.Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def _dataset(builder, split, **more):
    return loader.make_dataset(
        builder,
        split,
        sampling=loader.RandomClip(16, 2),
        spatial=loader.RandomResizedCrop(112),
        batch_size=4,
        parallelism=2,
        training=True,
        **more,
    )


def main():
    builder = tfds.builder_from_directory(sys.argv[1])
    # What TensorFlow itself takes at the first batch is not the loader's.
    for _ in _dataset(builder, sys.argv[2] + "[:8]", epochs=1):
        pass
    before = _peak()
    batches = sum(1 for _ in _dataset(builder, sys.argv[2], epochs=2))
    print(batches, _peak() - before)


main()
