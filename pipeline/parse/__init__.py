"""Bytes into records: the manifest, caption files and transcripts of every format. Nothing here uses Beam."""
