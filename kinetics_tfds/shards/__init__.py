"""Planning shards, writing one, running them under Beam, verifying what was written."""
