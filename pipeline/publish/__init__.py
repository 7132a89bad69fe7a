"""What a corpus is shown as: its card, Croissant, licences, contact sheets."""
