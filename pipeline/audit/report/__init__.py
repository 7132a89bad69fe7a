"""The page of an audit: one file of HTML with everything in it, to read offline, on a phone or on paper.

`page` fills the templates, `charts` says what there is to draw, `formats` how values are read by people. The charts are drawn by
Apache ECharts (vendor/), from tables that are on the page as well.
"""
