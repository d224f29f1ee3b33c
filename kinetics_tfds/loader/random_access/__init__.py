"""Clips of a prepared dataset in any order, without TensorFlow: only the bytes of the frames asked for are read."""
