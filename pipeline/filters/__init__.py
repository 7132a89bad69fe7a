"""Filters: scores of long clips, and the thresholds at which they are dropped.

Each score is a pure function in the module for its kind. `rules` gives each score its setting of `filters:` and its reason.
`clip_filter` and `frame_filter` apply the rules, before and after decoding.
"""
