"""The loader for PyTorch: the same recipes, presets and random choices, in worker processes without TensorFlow."""

from kinetics_tfds.loader.torch.dataset import ClipDataset as ClipDataset
from kinetics_tfds.loader.torch.loading import collate as collate
from kinetics_tfds.loader.torch.loading import make_dataloader as make_dataloader
