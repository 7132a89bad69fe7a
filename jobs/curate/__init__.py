"""The commands that look at a corpus and judge it."""
