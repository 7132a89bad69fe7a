"""LF-VILA: encoders, losses, shard loader, trainer and retrieval. Not built yet: see CHANGELOG."""
