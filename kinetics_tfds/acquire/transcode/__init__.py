"""From what was fetched to a finished clip: cutting, checking, hashing, in worker processes."""
