"""Removes characters from a cue and keeps the times of its words right."""

from collections.abc import Sequence

from longtake.pipeline.parse.transcripts.cue import BREAK, Cue, Word

#: Characters [start, end) of a text, and their replacement: nothing, or a BREAK and the name of the next speaker.
Edit = tuple[int, int, str]

_BLANK = " \n" + BREAK


def edited(cue: Cue, edits: Sequence[Edit]) -> Cue:
    """Return the cue after `edits`, which are in order and do not overlap. Its text is empty if only white space is left."""
    text = cue.text
    out: list[str] = []
    moves: list[tuple[int, int, int]] = []  # (old start, old end, new start) of what stays
    size = at = 0
    turn = cue.turn
    speakers = _Speakers(cue) if cue.speakers or any(len(put) > 1 for *_, put in edits) else None
    for start, end, put in [*edits, (len(text), len(text), "")]:
        piece = text[at:start]
        before = at
        if piece and (not size or out[-1][-1] in _BLANK):
            bare = piece.lstrip(_BLANK)
            at += len(piece) - len(bare)
            piece = bare
        if piece:
            moves.append((at, start, size))
            out.append(piece)
            size += len(piece)
        if speakers is not None:
            speakers.follow(text[before:at], piece, text[start:end])
            if put:
                speakers.turn(put[1:] or None, at_start=not size)
        if put and size:
            out.append(put[0])
            size += 1
        elif put:
            turn = True
        at = end
    whole = "".join(out)
    bare = whole.rstrip(_BLANK)
    names = () if speakers is None else speakers.names(bare)
    return cue.with_text(bare, _moved(cue.words, moves, len(bare)), turn, names)


class _Speakers:
    """The speaker at the start of the remaining text, and after each BREAK in it."""

    def __init__(self, cue: Cue) -> None:
        names = list(cue.speakers) or [None]
        self._old = names + [None] * (cue.text.count(BREAK) + 1 - len(names))
        self._found: list[str | None] = [self._old.pop(0)]

    def follow(self, blank: str, kept: str, removed: str) -> None:
        """Follow the next part of the text: removed white space, kept text, and removed text."""
        self._pass(blank)
        for _ in range(kept.count(BREAK)):
            self._found.append(self._old.pop(0))
        self._pass(removed)

    def turn(self, name: str | None, at_start: bool) -> None:
        """Let `name` start to speak here; `at_start`: before any text."""
        if at_start:
            self._found[-1] = name
        else:
            self._found.append(name)

    def _pass(self, text: str) -> None:
        """Pass removed breaks: the speaker after them speaks from the next kept text on."""
        for _ in range(text.count(BREAK)):
            self._found[-1] = self._old.pop(0)

    def names(self, text: str) -> tuple[str | None, ...]:
        found = self._found[: text.count(BREAK) + 1]
        return tuple(found) if any(found) else ()


def _moved(words: Sequence[Word], moves: Sequence[tuple[int, int, int]], size: int) -> tuple[Word, ...]:
    """Return the words that are still there, at least in part. A word cut at its front starts where its rest starts."""
    kept: list[Word] = []
    if len(moves) == 1:  # nearly always: one piece is left, now at the start
        old = moves[0][0]
        kept = [(offset - old, start, end) for offset, start, end in words if old <= offset < old + size]
        cut = len(words) - len([1 for word in words if word[0] > old])  # words that start there or before
        if (not kept or kept[0][0] > 0) and cut and size:
            kept.insert(0, (0, *words[cut - 1][1:]))
        return tuple(kept)
    at = 0
    for number, (offset, start, end) in enumerate(words):
        until = words[number + 1][0] if number + 1 < len(words) else 1 << 60
        while at < len(moves) and moves[at][1] <= offset:
            at += 1
        if at == len(moves):
            break
        old, _, new = moves[at]
        if old < until:
            place = new + max(offset - old, 0)
            if place < size:
                kept.append((place, start, end))
    if kept and kept[0][0] > 0:
        kept[0] = (0, *kept[0][1:])
    return tuple(kept)
