"""From a record's encoded frames to a clip's pixels: which frames, which window, at what size."""
