"""The ledger: what was dropped and why, and the counts that must add up."""
