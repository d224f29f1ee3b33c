"""Runnable Beam jobs, one per file: each module has a main."""
