"""What was tried, and how it ended: one line for each attempt, appended and never changed."""
