"""Punctuation for text without any, from a token classification model of Hugging Face.

Such a model labels each token with the mark that follows it. Names of labels differ between models; only the mark that a label
names matters: "." or "PERIOD", ".U" (a full stop, and the word has a capital), "?" or "QUESTION".
"""

import re
import threading
from collections.abc import Iterator
from typing import Any

from longtake.pipeline.run.model_files import first_line, quiet_loading
from longtake.pipeline.run.optional_models import OptionalModel
from longtake.schemas.errors import ConfigError
from longtake.schemas.extras import check_package

_WORDS = 180  # in one window: at most 512 tokens in any tokenizer, for nearly all text
_OVERLAP = 40  # words that two windows share; each window counts for the half further from its edge
_BATCH = 16
_WORD = re.compile(r"\S+")
_NAMED = {
    "PERIOD": ".", "FULLSTOP": ".", "DOT": ".", "QUESTION": "?", "QUESTIONMARK": "?", "EXCLAMATION": "!",
    "COMMA": ",", "COLON": ":", "SEMICOLON": ";",
}  # fmt: skip
_LOCK = threading.Lock()  # the model runs one text at a time


class PunctuationModel:
    """A model and its tokenizer. Raises ConfigError if they cannot be loaded, or if no label names an end of a sentence."""

    def __init__(self, folder: str) -> None:
        check_package("sentences.model", "torch", "text")  # without it, transformers imports but loads nothing
        check_package("sentences.model", "transformers", "text")
        from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

        quiet_loading()
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, **local)
            network = AutoModelForTokenClassification.from_pretrained(folder, use_safetensors=True, **local)
        except Exception as error:  # whatever is wrong with the files
            raise ConfigError(f"sentences.model {folder}: cannot be loaded: {first_line(error)}") from None
        if not tokenizer.is_fast:
            raise ConfigError(f"sentences.model {folder}: it has no fast tokenizer, which says where tokens are")
        self._marks = {label: mark_of(label) for label in network.config.id2label.values()}
        if not set(self._marks.values()) & set(".?!"):
            labels = ", ".join(map(repr, list(self._marks)[:12]))
            raise ConfigError(
                f"sentences.model {folder}: no label marks the end of a sentence; its labels are {labels}"
            )
        self._pipeline: Any = pipeline("token-classification", model=network, tokenizer=tokenizer, ignore_labels=[])

    def punctuate(self, text: str) -> dict[int, str]:
        """Return the missing marks of `text`, each by the end offset of the word before it."""
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
    """Yield the range of words of each window, and the range of words whose marks count."""
    step = _WORDS - _OVERLAP
    for first in range(0, max(words - _OVERLAP, 1) if words else 0, step):
        last = min(first + _WORDS, words)
        keep_from = first + _OVERLAP // 2 if first else 0
        yield first, last, keep_from, last if last == words else last - _OVERLAP // 2


def mark_of(label: str) -> str:
    """The punctuation mark that a label names; "" if it names none."""
    for mark in ".?!,:;":
        if mark in label:
            return mark
    name = re.sub(r"[^A-Z]", "", label.upper().removeprefix("B-").removeprefix("I-"))
    return next((mark for word, mark in _NAMED.items() if name == word), "")


PUNCTUATION_MODEL = OptionalModel(
    "sentences.model", PunctuationModel, ("transformers", "tokenizers", "torch"), wanted="splits_sentences"
)
