"""Which files are videos and transcripts, which belong together, and which of several is used: by their names alone."""
