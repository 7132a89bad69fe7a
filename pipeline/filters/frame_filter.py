"""Filters long clips after decoding, by the scores of their frames. The thresholds are not part of a fragment, so changing one
causes no decoding."""

from longtake.pipeline.filters.rules import FRAME_RULES, first_fault
from longtake.schemas.config import Filters
from longtake.schemas.reasons import Reason
from longtake.schemas.scores import Scores


def frame_fault(scores: Scores, filters: Filters) -> tuple[Reason, str] | None:
    """Why a long clip with these scores is dropped; None if it stays."""
    return first_fault(FRAME_RULES, dict(scores), filters)
