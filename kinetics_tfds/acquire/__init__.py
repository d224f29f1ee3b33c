"""Filling a clip store: sources are tried in order, every attempt is written down, only whole clips become visible.

The story of one row: plan (what is due) -> a source's unit (a video, an archive) -> fetched files -> cut -> check ->
store, and an outcome in the ledger whatever happened. Nothing here imports TensorFlow or Beam.
"""
