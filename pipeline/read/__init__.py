"""Reads the source: manifest, texts and chapters, joined by video."""
