"""Decoding on the accelerator: the host reads and chooses, nvImageCodec decodes windows, PyTorch resizes them."""

from kinetics_tfds.loader.gpu.batches import DeviceBatches as DeviceBatches
from kinetics_tfds.loader.gpu.window_decoder import WindowDecoder as WindowDecoder
