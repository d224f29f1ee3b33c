"""From a prepared dataset to batches: choose frames, decode only those, crop, augment, batch."""
