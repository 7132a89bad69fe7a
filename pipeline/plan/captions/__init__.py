"""Captions that a language model makes from the speech: prompts, answers, the model, and its place in the plan graph."""
