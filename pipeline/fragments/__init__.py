"""Fragments: the decoded frames of one video in staging/, and the work that makes them."""
