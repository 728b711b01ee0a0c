"""Floors: the least that must be done for one measure, nothing of ours imported."""
