"""The loader for Grain, and with it for JAX without TensorFlow: the same recipes, presets and random choices."""

from kinetics_tfds.loader.grain.loading import make_dataset as make_dataset
