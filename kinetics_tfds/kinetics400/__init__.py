"""Kinetics-400 as a TFDS dataset."""
