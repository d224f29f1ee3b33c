"""What a store has, lacks and would need: coverage, snapshots, checks before a run, a run told in advance."""
