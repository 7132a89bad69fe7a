"""Retrieval: embeddings of clips and texts, and how well they find each other."""
