"""Read a finished corpus without trusting it."""
