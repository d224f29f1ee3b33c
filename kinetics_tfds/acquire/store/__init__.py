"""The clip store: a folder or bucket of clips that are whole and checked."""
