"""Goes on from a saved iterator in a process of its own, run by test_resuming.py.

python resume_process.py DATASET_FOLDER CHECKPOINT PIPELINE
"""

import sys

import tensorflow as tf
import tensorflow_datasets as tfds
from batch_digests import digests
from resume_pipelines import PIPELINES


def main():
    folder, checkpoint, name = sys.argv[1:]
    iterator = iter(PIPELINES[name](tfds.builder_from_directory(folder)))
    tf.train.Checkpoint(iterator=iterator).read(checkpoint).assert_consumed()
    print("\n".join(digests(iterator)))


main()
