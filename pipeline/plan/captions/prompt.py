"""Prompts: the sentences of a long clip with their numbers and times, in the words of the configuration.

The method follows HowToCaption (Shvetsova et al., arXiv:2310.04900), which gives a language model a long stretch of speech with
its times, so that the model sees the context. There the model gives its captions new times. Here each caption has the number of
a sentence and so its time; nothing needs to be aligned again.
"""

import re
from functools import lru_cache

from longtake.schemas.records import LongClip

#: The number of a sentence, in prompts and in answers. T5's vocabulary also has brackets, but no line breaks.
MARK = re.compile(r"\[\s*([0-9]+)\s*\]")


def render(template: str, clip: LongClip, special: frozenset[str] = frozenset()) -> str:
    """Return the prompt for a clip. `special` are words with a meaning for the model's tokenizer, such as ends of turns. They are
    removed from the speech, and numbers in brackets are changed, so that no speech can pass for a part of the prompt."""
    said = [
        f"[{number}] {times} {_said(s.text, special)}"
        for number, (s, times) in enumerate(zip(clip.sentences, times_of(clip), strict=True), 1)
    ]
    values = {"{sentences}": "\n".join(said), "{count}": str(len(said))}
    return re.sub(r"\{sentences\}|\{count\}", lambda found: values[found[0]], template)


def times_of(clip: LongClip) -> list[str]:
    """The times of each sentence as prompts hold them: seconds from the start of the clip."""
    start = clip.start_ms
    return [f"({(s.start_ms - start) / 1000:.1f} to {(s.end_ms - start) / 1000:.1f} s)" for s in clip.sentences]


@lru_cache
def _any_of(words: frozenset[str]) -> re.Pattern[str]:
    """A pattern of these words, longer ones first; without words, a pattern that matches nothing."""
    return re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))) or r"(?!)")


def _said(text: str, special: frozenset[str]) -> str:
    return MARK.sub(r"(\1)", " ".join(_any_of(special).sub(" ", text).split()))
