"""Sets of clips that somebody has or lists, whatever they are kept in, and how two of them differ."""
