"""Verifying a finished corpus: plan, index, shards, ledger and corpus.json must agree, and every byte be the one written."""

from longtake.pipeline.verify.corpus import Report, verify

__all__ = ["Report", "verify"]
