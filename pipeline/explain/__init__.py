"""What became of one video: the functions of the plan run once more for it alone, with what they have in between."""
