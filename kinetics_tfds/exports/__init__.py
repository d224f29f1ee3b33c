"""Prepared datasets for readers that do not use TFDS: SequenceExamples, WebDataset tars, Hugging Face Parquet.

Frames are copied as they are, never decoded or encoded again. An output shard is a run of neighbouring records,
whatever the number of output shards: it is written alone, anywhere, in any order, and again after a kill.
"""
