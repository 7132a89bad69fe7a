"""Taking over a plan that a person edited: check its rows, compute what follows from them, account for what is gone."""
