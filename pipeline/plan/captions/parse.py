"""Reads a model's answers: one caption for each sentence, or an error. Nothing is repaired: a wrong answer is not used."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from longtake.pipeline.parse.texts import clean_text
from longtake.pipeline.plan.captions.prompt import MARK, times_of
from longtake.schemas.records import LongClip

_ALWAYS_FITS = 300  # characters of a caption
_TIMES_AS_LONG = 3  # as its sentence: a longer caption says more than the speech
_COPIED = 6  # words in a row that are also in the prompt
_TIMES = re.compile(r"\(\s*([0-9.]+) to ([0-9.]+) s\s*\)")


def parse(answer: str, clip: LongClip, template: str) -> tuple[str, ...]:
    """Return the captions in an answer `[1] first caption [2] second caption ...`, one for each sentence of the clip.

    Raises ValueError that names the fault: text before the captions; numbers that are not 1, 2, ... to the last sentence; a
    caption that is empty, is far longer than its sentence, holds control characters, has another sentence's times, or copies the
    prompt.
    """
    before, *rest = MARK.split(answer)
    numbers, texts = rest[::2], rest[1::2]
    wanted = [str(number) for number in range(1, len(clip.sentences) + 1)]
    if not numbers:
        raise ValueError("no caption has a number in brackets")
    if before.strip():
        raise ValueError("it does not begin with a caption")
    if numbers != wanted:
        raise ValueError(f"the captions have the numbers {_some(numbers)}, not 1 to {wanted[-1]}")
    instructions = _words(template)
    said = zip(numbers, texts, clip.sentences, times_of(clip), strict=True)
    return tuple(_caption(number, text, s.asr or s.text, times, instructions) for number, text, s, times in said)


def _caption(number: str, text: str, said: str, times: str, instructions: list[str]) -> str:
    if any(_is_control(c) for c in text):
        raise ValueError(f"caption {number} holds control characters, or bytes that are no text")
    caption = clean_text(text)
    given = _TIMES.match(caption)
    if given is not None:
        if f"({given[1]} to {given[2]} s)" != times:
            raise ValueError(f"caption {number} has the times {given[0][:40]}, not {times}")
        caption = caption[given.end() :].lstrip(" :-")
    words = _words(caption)
    if not words:
        raise ValueError(f"caption {number} is empty")
    if len(caption) > max(_ALWAYS_FITS, _TIMES_AS_LONG * len(said)):
        raise ValueError(f"caption {number} has {len(caption):,} characters, its sentence {len(said):,}")
    spoken = _words(said)
    if any(_within(run, instructions) and not _within(run, spoken) for run in _runs(words)):
        raise ValueError(f"caption {number} is copied from the prompt")
    return caption


def _is_control(character: str) -> bool:
    return character == "\ufffd" or (
        unicodedata.category(character) in ("Cc", "Cs", "Co") and character not in "\t\r\n"
    )


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _runs(words: list[str]) -> Iterator[list[str]]:
    """Yield each run of _COPIED words; of a shorter text, all words."""
    for first in range(max(len(words) - _COPIED, 0) + 1):
        yield words[first : first + _COPIED]


def _within(run: Sequence[str], words: Sequence[str]) -> bool:
    return any(words[first : first + len(run)] == run for first in range(len(words) - len(run) + 1))


def _some(numbers: Sequence[str]) -> str:
    shown = [number[:6] for number in numbers[:20]]
    return ", ".join(shown) + (", ..." if len(numbers) > 20 else "")
