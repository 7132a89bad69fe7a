"""Punctuation for text that has none, from a token classification model of Hugging Face.

Such a model labels tokens with the mark that follows them. Names of labels differ from model to model; what matters is
which mark they name: "." or "PERIOD", ".U" (a full stop, and the word has a capital), "?" or "QUESTION".
"""

import re
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from longtake.schemas.manifest import CorpusError

_WORDS = 180  # in one window: within 512 tokens of any tokenizer for nearly all text
_OVERLAP = 40  # words that two windows share; each trusts the half of them that is further from its edge
_BATCH = 16
_WORD = re.compile(r"\S+")
_NAMED = {
    "PERIOD": ".", "FULLSTOP": ".", "DOT": ".", "QUESTION": "?", "QUESTIONMARK": "?", "EXCLAMATION": "!",
    "COMMA": ",", "COLON": ":", "SEMICOLON": ";",
}  # fmt: skip
_LOCK = threading.Lock()  # one model for all threads of a process; it runs one text at a time


class PunctuationModel:
    """A model and its tokenizer. Raises CorpusError where they cannot be loaded, or no label names an end of a sentence."""

    def __init__(self, model: str) -> None:
        try:
            from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline
        except ImportError as error:
            raise CorpusError(
                f"sentences.model needs transformers and torch: {error}; pip install 'longtake[text]'"
            ) from None
        try:
            tokenizer = AutoTokenizer.from_pretrained(model, use_fast=True, trust_remote_code=False)
            network = AutoModelForTokenClassification.from_pretrained(
                model, trust_remote_code=False, use_safetensors=True
            )
        except (OSError, ValueError, KeyError) as error:
            problem = str(error).strip().splitlines()[0]
            raise CorpusError(f"sentences.model: {model!r} cannot be loaded: {problem}") from None
        if not tokenizer.is_fast:
            raise CorpusError(f"sentences.model: {model!r} has no fast tokenizer, which tells where tokens are")
        self._marks = {label: mark_of(label) for label in network.config.id2label.values()}
        if not set(self._marks.values()) & set(".?!"):
            labels = ", ".join(map(repr, list(self._marks)[:12]))
            raise CorpusError(f"sentences.model: no label of {model!r} names an end of a sentence; it has {labels}")
        self._pipeline: Any = pipeline("token-classification", model=network, tokenizer=tokenizer, ignore_labels=[])

    def punctuate(self, text: str) -> dict[int, str]:
        """The marks that `text` lacks, each by the offset of the end of the word it follows."""
        words = [found.span() for found in _WORD.finditer(text)]
        windows = list(_windows(len(words)))
        pieces = [text[words[first][0] : words[last - 1][1]] for first, last, _, _ in windows]
        with _LOCK:
            found = self._pipeline(pieces, batch_size=_BATCH) if pieces else []
        marks: dict[int, str] = {}
        for (first, _, keep_from, keep_to), tokens in zip(windows, found, strict=True):
            start = words[first][0]
            ends = {words[i][1]: i for i in range(keep_from, keep_to)}
            for token in tokens:
                offset = start + token["end"]
                mark = self._marks.get(token["entity"], "")
                if mark and offset in ends and text[offset - 1].isalnum():
                    marks[offset] = mark
        return marks


def _windows(words: int) -> Iterator[tuple[int, int, int, int]]:
    """First and last word of each window, and of the words whose marks count."""
    step = _WORDS - _OVERLAP
    for first in range(0, max(words - _OVERLAP, 1) if words else 0, step):
        last = min(first + _WORDS, words)
        keep_from = first + _OVERLAP // 2 if first else 0
        yield first, last, keep_from, last if last == words else last - _OVERLAP // 2


def mark_of(label: str) -> str:
    """The punctuation mark that a label names; "" for none."""
    for mark in ".?!,:;":
        if mark in label:
            return mark
    name = re.sub(r"[^A-Z]", "", label.upper().removeprefix("B-").removeprefix("I-"))
    return next((mark for word, mark in _NAMED.items() if name == word), "")


@lru_cache(maxsize=2)
def _loaded(model: str) -> PunctuationModel:
    return PunctuationModel(model)


def punctuation_model(model: str) -> PunctuationModel:
    """The model of that name or folder, loaded once in each process."""
    with _LOCK:
        return _loaded(model)
