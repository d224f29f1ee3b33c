"""Changes of decoded clips, and of batches."""
