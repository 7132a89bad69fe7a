"""Speech recognition: the sound of a source video becomes a transcript, which is stored and read like any other."""
