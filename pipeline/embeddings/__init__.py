"""Embeddings of sentences: the model, its place in the plan graph, and the tables that keep what was computed."""
