"""The plan: the long clips of a corpus, decided before any decoding."""
