"""The ledger: what was dropped and why, and the counts that have to add up."""
