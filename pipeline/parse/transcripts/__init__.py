"""Transcript files of every common kind, read as cues."""
