"""Filling a clip store: sources are tried in order, every attempt is written down, only whole clips become visible.

The way of one row: `run` schedules it -> a unit (a video, an archive) of one of the `sources` is fetched -> `transcode`
cuts and checks it -> `store`; every attempt is a line in the `ledger`. `rate_limit` is shared by all workers of a
machine; `reports` tell where every row stands. Nothing here imports TensorFlow or Beam.
"""
