"""Shards as batches: the loader, its order, and what it does to frames and text."""
