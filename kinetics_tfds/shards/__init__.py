"""Writing planned shards: one at a time, in parallel under Beam, staged, resumed, and accounted for."""
