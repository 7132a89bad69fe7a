"""How well what is said in a long clip fits what is seen: by a CLIP model, after decoding."""
