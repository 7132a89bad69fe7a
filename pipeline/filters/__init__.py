"""Filters: scores of long clips, and the thresholds below or above which a clip is left out.

Each score is a pure function in a module of its kind; `rules` says which setting of `filters:` and which reason go with it,
`clip_filter` and `frame_filter` apply them, before and after decoding.
"""
