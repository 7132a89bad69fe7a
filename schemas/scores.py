"""The scores of a long clip: the closed list, and the column that each has.

A score is a number that says something about a long clip and no verdict. Filters compare it with a threshold; whoever has
the plan or the index can do the same with SQL, so these columns are doubles: they compare as the thresholds do.
"""

#: What the plan knows, in the order in which filters are asked.
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
#: What only the decoded frames tell.
FRAME_SCORES = ("black", "frozen", "slides")
#: What is known after decoding: columns of the index. Relevance needs the text as well, and a model.
INDEX_SCORES = (*FRAME_SCORES, "relevance")

Scores = tuple[tuple[str, float], ...]  # name and value; a score that was not computed is not there


def column(name: str) -> str:
    """The column of a score."""
    return f"score_{name}"
