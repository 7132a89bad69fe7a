"""How a corpus is presented: its card, Croissant metadata, licences, contact sheets."""
