"""Makes long clips from sentences: where they begin and end, and the times of their frames."""
