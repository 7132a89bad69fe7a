"""A finished corpus as Python objects, without torch, and as batches for training. `longtake` exports what others build on."""
