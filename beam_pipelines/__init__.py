"""Runnable Beam jobs, one a file: each module has a main."""
