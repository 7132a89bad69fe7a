"""Verify a finished corpus: plan, index, shards, ledger and corpus.json must agree, and every byte must be as written."""

from longtake.pipeline.verify.corpus import Report, verify

__all__ = ["Report", "verify"]
