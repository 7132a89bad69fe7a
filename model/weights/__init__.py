"""Weights on disk: our checkpoints, the official release, pretrained parts."""
