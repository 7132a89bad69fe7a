"""Paragraphs with more sentences than a model takes."""

from collections.abc import Sequence
from itertools import pairwise


def merge_sentences(sentences: Sequence[str], most: int) -> list[str]:
    """Join the two neighbours with the fewest characters in total (the first such pair) until `most` sentences are left.

    The released code does this for videos with more sentences than the model has clips (facts 2), and for subtitles.
    """
    merged = list(sentences)
    while len(merged) > max(most, 1):
        lengths = [len(first) + len(second) for first, second in pairwise(merged)]
        at = lengths.index(min(lengths))
        merged[at : at + 2] = [f"{merged[at]} {merged[at + 1]}"]
    return merged
