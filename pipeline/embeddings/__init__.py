"""Embeddings of sentences: the models, their place in the plan graph, and the tables of saved embeddings."""
