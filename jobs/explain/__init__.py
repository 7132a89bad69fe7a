"""`longtake explain`: the answer as text and as a picture."""
