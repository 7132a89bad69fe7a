"""The page of an audit: one file of HTML with everything in it, to read offline, on a phone or on paper.

`page` fills the templates. `formats` says how values are read by people, `anchors` where links lead, `pictures` which frames
there is room for, `score_lines` how far a score is from its threshold, `comparison` what differs between two audits. `charts`
says what there is to draw: the browser draws it with Apache ECharts (vendor/), and all of it is on the page as tables too.
"""
