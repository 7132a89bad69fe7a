"""Reading a finished corpus without trusting it."""
