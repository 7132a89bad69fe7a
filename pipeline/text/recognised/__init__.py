"""Recognised speech as text: words into given spans, word times for transcripts without them, and scores."""
