"""Makes sentences from cues."""
