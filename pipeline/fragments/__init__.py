"""Fragments: the decoded frames of one source video in staging/, and the code that makes them."""
