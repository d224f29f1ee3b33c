"""Kinetics-400, -600, -700 and -700-2020 for TensorFlow Datasets.

Importing this package registers the four builders with TFDS. It stays cheap: TFDS is not imported from here, so that
decode workers and commands that need no tensor start in a fraction of a second.
"""
