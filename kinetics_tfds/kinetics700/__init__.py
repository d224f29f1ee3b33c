"""Kinetics-700 as a TFDS dataset."""
