"""The commands that embed and evaluate."""
