"""What runs on the accelerator, and how batches get there."""
