"""Rolling captions: each cue shows the screen again, scrolled or grown, so every word is in several cues.

YouTube's recognition writes two lines, and the upper one was there before; cues of 10 ms in between only scroll. Live captions
grow letter by letter and scroll three lines. New text in a cue is text that the screen did not show before. With only the new
text, each spoken word is there once, at the time when it appeared.
"""

from collections.abc import Sequence
from dataclasses import replace
from operator import contains

from longtake.pipeline.parse.transcripts.cue import Cue, Word
from longtake.pipeline.text.clean.cleaned import CleanedCues
from longtake.pipeline.text.clean.edit_cue import edited

_TOUCHING_MS = 250  # most time between two cues that show one screen
_MIN_SHARE = 0.25  # of the cues that directly follow another: if a file rolls, at least so many roll
_MIN_CUES = 3
_MIN_WORDS = 3  # repeated where one joined line follows another
# No screen shows more, so no more is compared: the work stays linear, whatever a cue holds.
_MOST_LINES, _MOST_WORDS = 32, 256
_ODD_BLANKS = ("  ", *(blank for blank in map(chr, range(0x3001)) if blank.isspace() and blank not in " \n"))
_HEAD = 2 * _MIN_WORDS - 1  # characters that so many words have at least


def unroll(cues: list[Cue]) -> CleanedCues:
    """Keep only the new text of each cue. A file that does not roll comes back unchanged.

    Text that a later cue adds to the last line moves to the cue in which that line began.
    """
    texts = [cue.text for cue in cues]
    grown, repeated = _grown(texts), _repeated(texts)
    if not (any(grown) or any(repeated)):
        return CleanedCues(cues, [], 0)
    screens = [text.split("\n") for text in texts]
    shown = [_shown(screens[i - 1], screens[i]) if i and grows else 0 for i, grows in enumerate(grown)]
    if any(shown) and _rolls(cues, screens, shown):
        return _once(cues, screens, shown)
    joined = [_joined(texts[i - 1], texts[i]) if i and repeats else 0 for i, repeats in enumerate(repeated)]
    if any(joined) and _rolls(cues, screens, joined, share=0.5):
        return _once(cues, screens, joined)
    return CleanedCues(cues, [], 0)


def _grown(texts: list[str]) -> list[bool]:
    """For each text, whether _shown may find anything in it: always, unless all are of one line."""
    if "\n" in "".join(texts):
        return [True] * len(texts)
    return [False, *map(str.startswith, texts[1:], texts)]


def _repeated(texts: list[str]) -> list[bool]:
    """For each text, whether _joined may find anything in it: its first words are in the text before."""
    lines = [text.replace("\n", " ") for text in texts]
    if any(map("\0".join(lines).__contains__, _ODD_BLANKS)):
        return [True] * len(texts)
    return [False, *map(contains, lines, [line[:_HEAD] for line in lines[1:]])]


def _shown(before: list[str], screen: list[str]) -> int:
    """The number of characters of a screen that were there before: lines that scrolled up, and the start of a line that grew."""
    last = len(before) - 1
    for scrolled in range(max(0, len(before) - _MOST_LINES), len(before)):
        count = last - scrolled + 1
        if count > len(screen) or before[scrolled:last] != screen[: count - 1]:
            continue
        if screen[count - 1].startswith(before[last]):
            return sum(map(len, screen[: count - 1])) + count - 1 + len(before[last])
    return 0


def _joined(before: str, text: str) -> int:
    """Like _shown, for screens with joined lines: the number of characters that repeat the end of the text before."""
    new = text.split(maxsplit=_MIN_WORDS)
    if len(new) < _MIN_WORDS or new[0] not in before:
        return 0
    words, new = before.split()[-_MOST_WORDS:], text.split()
    for at, word in enumerate(words):
        if word == new[0] and (count := len(words) - at) >= _MIN_WORDS and words[at:] == new[:count]:
            return len(" ".join(new[:count])) if " ".join(new) == text.replace("\n", " ") else 0
    return 0


def _rolls(cues: Sequence[Cue], screens: Sequence[list[str]], shown: Sequence[int], share: float = _MIN_SHARE) -> bool:
    """Whether a file rolls. Two equal cues prove nothing, because people say things twice; a moving screen is proof."""
    pairs = moves = 0
    for i in range(1, len(cues)):
        if cues[i].start_ms - cues[i - 1].end_ms <= _TOUCHING_MS:
            pairs += 1
            moves += shown[i] > 0 and screens[i] != screens[i - 1]
    timed = any(cue.words for cue in cues) and any(len(screen) > 1 for screen in screens)
    return moves >= (1 if timed else _MIN_CUES) and moves >= share * pairs


def _once(cues: Sequence[Cue], screens: Sequence[list[str]], shown: Sequence[int]) -> CleanedCues:
    kept: list[Cue] = []
    parts: list[Cue] = []  # the cue in which the last line on the screen began, and the additions to it
    gone: list[tuple[Cue, str]] = []
    removals = 0
    for i, cue in enumerate(cues):
        size = shown[i]
        if size and cue.start_ms - cues[i - 1].end_ms > _TOUCHING_MS and "\n" not in cue.text[size:]:
            size = 0  # the screen was empty in between, and nothing scrolled: the words were said again
        if not size:
            kept += _closed(parts)
            parts = [cue]
            continue
        removals += 1
        if size >= len(cue.text):
            gone.append((cue, f"shows again what {cues[i - 1].cue_id} shows"))
            continue
        new = edited(cue, [(0, size, "")])
        if cue.text[size] == "\n" or not parts:
            kept += _closed(parts)
            parts = [new]
        else:  # the line grew, perhaps inside a word
            parts.append(replace(new, text=cue.text[size:], words=_shifted(cue, new, size)))
    return CleanedCues(kept + _closed(parts), gone, removals)


def _shifted(cue: Cue, new: Cue, size: int) -> tuple[Word, ...]:
    """Return the words of `new` with offsets in the cue's text after `size` characters, including white space."""
    lead = len(cue.text) - size - len(new.text)
    return tuple((offset + lead if offset else 0, start, end) for offset, start, end in new.words)


def _closed(parts: list[Cue]) -> list[Cue]:
    """Return the grown line as one cue. A part without word times was said during the part's cue."""
    if len(parts) < 2:
        return list(parts)
    text, words = "", []
    for part in parts:
        own = part.words or ((0, part.start_ms, part.end_ms),)
        words += [(offset + len(text), start, end) for offset, start, end in own]
        text += part.text
    return [replace(parts[0], end_ms=max(p.end_ms for p in parts), text=text, words=tuple(words))]
