"""What is not speech, or not said twice, taken out of cues."""
