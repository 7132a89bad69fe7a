"""The history of one source video: the functions of the plan run again for it alone, and their intermediate results are kept."""
