"""Captions that a language model makes of what was said: prompts, answers, the model, and its place in the plan graph."""
