"""Build a corpus from a plan: decode the source videos, pack the samples into shards, seal."""
