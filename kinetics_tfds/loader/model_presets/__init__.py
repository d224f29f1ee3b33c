"""Presets by the code base that they come from; comments name the file's line or setting that a value is from.

Rates: the records' timestamps stand in for a re-encoded video, so `fps` holds whatever rate a dataset was built with.
"""
