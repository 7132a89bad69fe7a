"""LF-VILA: encoders, losses, weights, shard loader, trainer and retrieval (docs/lfvila.md)."""
