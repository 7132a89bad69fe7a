"""Published data sets as they are published: a module for each, and what reads their metadata files."""
