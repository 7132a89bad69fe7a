"""Makes sentences from cues: cleaning, then sentence ends."""
