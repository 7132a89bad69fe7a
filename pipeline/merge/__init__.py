"""Sentences into long clips: where clips begin and end, and when their frames are taken."""
