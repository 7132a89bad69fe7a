"""Weights on disk: checkpoints of ours, the official release, pretrained parts."""
