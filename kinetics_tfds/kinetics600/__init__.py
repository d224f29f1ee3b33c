"""Kinetics-600 as a TFDS dataset."""
