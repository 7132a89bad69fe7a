"""The LF-VILA network: encoders, attention, losses and sizes."""
