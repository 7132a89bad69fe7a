"""Cues into sentences: cleaning, then sentence ends."""
