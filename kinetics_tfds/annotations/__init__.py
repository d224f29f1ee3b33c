"""Official annotation rows, class lists and versions."""
