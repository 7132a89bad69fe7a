"""LF-VILA itself: encoders, attention, losses, and the sizes it comes in."""
