"""The page of an audit: one HTML file with everything in it, to read offline, on a phone or on paper.

`page` fills the templates. `formats` writes values for people, `anchors` gives links their targets, `pictures` chooses the
frames that fit, `score_lines` shows how far a score is from its threshold, `comparison` shows how two audits differ. `charts`
has the data to draw: the browser draws it with Apache ECharts (vendor/), and all of it is also on the page as tables.
"""
