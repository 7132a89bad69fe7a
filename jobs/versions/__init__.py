"""The commands that make a new version of a corpus."""
