"""Takes over a plan that a person edited: checks its rows, computes derived columns, and writes ledger rows for removals."""
