"""One run: what is due, the work list of a pass, the workers that go through it, progress and stopping."""
