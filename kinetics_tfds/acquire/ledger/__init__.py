"""What was tried, and how it ended: one JSON line per attempt, appended and never changed."""
