"""Removes from cues everything that is not speech, and repeats of speech."""
