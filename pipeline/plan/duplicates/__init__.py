"""Duplicates: paragraphs that the corpus has twice, exactly or nearly, and videos and texts of evaluation sets.

`evaluation` finds the latter, clip by clip. `similarity` says what two paragraphs have in common, `survivors` which of them
stays, and `graph` does it for a whole corpus in Beam.
"""
