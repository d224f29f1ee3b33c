"""What every Beam job needs: the runner's options, and work spread over the shards of a prepared dataset."""
