"""The plan: which long clips a corpus will hold, decided before anything is decoded."""
