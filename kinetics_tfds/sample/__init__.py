"""The embedded sample: small made-up clips whose motion is their class, and their annotation files."""

from kinetics_tfds.sample.make import SampleInfo, make_sample

__all__ = ["SampleInfo", "make_sample"]
