"""Published trainings as configurations: their values, fitted to the GPUs at hand and to the corpus."""
