"""Filling a clip store: sources are tried in order, every attempt is written down, only whole clips become visible.

The story of one row: plan (what is due) -> a source's unit (a video, an archive) -> fetched files -> cut -> check ->
store, and an outcome in the ledger whatever happened. Here are the run, the ledger, the manners and the store;
`sources`, `cutting` and `reports` are rooms of their own. Nothing imports TensorFlow or Beam.
"""
