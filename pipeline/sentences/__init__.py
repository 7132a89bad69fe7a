"""Cues made into sentences."""
