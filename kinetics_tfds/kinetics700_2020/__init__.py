"""Kinetics-700-2020 as a TFDS dataset."""
