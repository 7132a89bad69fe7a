"""Duplicates: paragraphs that the corpus has twice, exactly or nearly, and videos that show the same pictures.

`similarity` compares two paragraphs, `footprint` two videos. `survivors` decides which of them stays. `graph` and `video_graph`
do this for a whole corpus in Beam. filters/evaluation_sets.py finds videos and texts of evaluation sets.
"""
