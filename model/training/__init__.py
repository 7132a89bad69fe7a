"""Training: the loop, its optimizer, log and processes."""
