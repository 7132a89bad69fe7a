"""The scores of a long clip: the closed list, and the column of each score.

A score is a number about a long clip, not a verdict. Filters compare it with a threshold. SQL on the plan or the index can do the
same: these columns are doubles, so they compare like the thresholds.
"""

#: Scores in the plan, in the order of the filters.
PLAN_SCORES = (
    "words_per_sentence",
    "words_per_second",
    "repetition",
    "non_speech",
    "language",
    "characters",
    "profanity",
    "pii",
    "short_side",
    "aspect",
    "seconds",
    "audio",
)
#: Scores that need decoded frames.
FRAME_SCORES = ("black", "frozen", "slides")
#: Scores known after decoding: columns of the index. Relevance also needs the text and a model.
INDEX_SCORES = (*FRAME_SCORES, "relevance")

Scores = tuple[tuple[str, float], ...]  # name and value, only of computed scores


def column(name: str) -> str:
    """The column of a score."""
    return f"score_{name}"
