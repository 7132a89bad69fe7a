"""Cues at the same time: layers and positions with the same text, and captions in two languages."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from operator import sub

from longtake.pipeline.parse.transcripts.cue import Cue
from longtake.pipeline.text.clean.cleaned import CleanedCues
from longtake.pipeline.text.languages import NOT_LATIN, language_of, script_of
from longtake.schemas.words import words_of

_SAME_MS = 250  # two cues are at the same time if neither starts nor ends are further apart
_SHARE = 0.5  # at least this share of a file's cues must be in pairs, or it is not in two languages
_MIN_PAIRS = 2


def once(cues: list[Cue], languages: Sequence[str] = ()) -> CleanedCues:
    """Drop cues that say the same as another at the same time, and one language if two run side by side.

    The language that stays is the first of `languages` that the cues have, else the language of the first cue or line.
    """
    if _none_at_once(cues):  # nearly always
        kept, shortened = _one_line(cues, languages)
        return CleanedCues(kept, [], len(shortened), shortened)
    groups = _groups(cues)
    gone: dict[int, str] = {}
    for group in groups:
        if len(group) == 1:
            continue
        first: dict[tuple[str, ...], int] = {}
        for i in group:
            same = first.setdefault(tuple(words_of(cues[i].text.casefold())), i)
            if same != i:
                gone[i] = f"says the same at the same time as {cues[same].cue_id}"
    left = [[i for i in group if i not in gone] for group in groups]
    gone |= _other_languages(cues, [group for group in left if len(group) > 1], len(left), languages)
    kept = [cue for i, cue in enumerate(cues) if i not in gone]
    kept, shortened = _one_line(kept, languages)
    return CleanedCues(kept, [(cues[i], why) for i, why in sorted(gone.items())], len(gone) + len(shortened), shortened)


def _none_at_once(cues: Sequence[Cue]) -> bool:
    """Whether _groups would put each cue in a separate group. It puts brief cues only with cues of exactly the same times."""
    starts = sorted([cue.start_ms for cue in cues])
    if min(map(sub, starts[1:], starts), default=_SAME_MS + 1) > _SAME_MS:
        return True
    brief = [(cue.start_ms, cue.end_ms) for cue in cues if cue.end_ms - cue.start_ms <= _SAME_MS]
    starts = sorted(cue.start_ms for cue in cues if cue.end_ms - cue.start_ms > _SAME_MS)
    return len(set(brief)) == len(brief) and all(after - before > _SAME_MS for before, after in pairwise(starts))


def _groups(cues: Sequence[Cue]) -> list[list[int]]:
    """Group the cues by the time when they are shown. Returns their numbers, in file order."""
    order = sorted(range(len(cues)), key=lambda i: (cues[i].start_ms, i))
    groups: list[list[int]] = []
    opened: list[list[int]] = []  # groups that a cue may still belong to
    for i in order:
        cue = cues[i]
        opened = [group for group in opened if cue.start_ms - cues[group[0]].start_ms <= _SAME_MS]
        for group in opened:
            first = cues[group[0]]
            near = abs(cue.end_ms - first.end_ms) <= _SAME_MS and min(cue.end_ms, first.end_ms) > cue.start_ms
            # For a briefer cue, only a cue with exactly the same times is at the same time.
            if near and (
                cue.end_ms - cue.start_ms > 2 * _SAME_MS or (cue.start_ms, cue.end_ms) == (first.start_ms, first.end_ms)
            ):
                group.append(i)
                break
        else:
            groups.append([i])
            opened.append(groups[-1])
    return [sorted(group) for group in groups]


def _other_languages(
    cues: Sequence[Cue], pairs: list[list[int]], times: int, languages: Sequence[str]
) -> dict[int, str]:
    """If two tracks of cues run side by side, find the cues in another language than the one that stays, and say why."""
    if len(pairs) < _MIN_PAIRS or len(pairs) < _SHARE * times:
        return {}
    tracks: dict[int, list[int]] = defaultdict(list)
    for group in pairs:
        for track, i in enumerate(group):
            tracks[track].append(i)
    spoken = {track: _tongue("\n".join(cues[i].text for i in found)) for track, found in tracks.items()}
    if (stays := _chosen(spoken, languages)) is None:
        return {}
    return {
        i: f"in {spoken[track]}, at the same time as {cues[tracks[stays][0]].cue_id} and its like in {spoken[stays]}, which stay"
        for track, found in tracks.items()
        if spoken[track] not in (None, spoken[stays])
        for i in found
    }


def _one_line(cues: list[Cue], languages: Sequence[str]) -> tuple[list[Cue], list[tuple[Cue, str]]]:
    """Keep one language of cues that hold both, one language per line."""
    if "\n" not in "".join([cue.text for cue in cues]):
        return cues, []
    paired = [i for i, cue in enumerate(cues) if cue.text.count("\n") == 1 and not cue.words]
    if len(paired) < _MIN_PAIRS or len(paired) < _SHARE * len(cues):
        return cues, []
    lines = {i: cues[i].text.split("\n") for i in paired}
    spoken = {track: _tongue("\n".join(lines[i][track] for i in paired)) for track in (0, 1)}
    if (stays := _chosen(spoken, languages)) is None:
        return cues, []
    made, shortened = list(cues), []
    for i in paired:
        if _tongue(lines[i][1 - stays]) in (None, "LATIN", spoken[1 - stays]):
            made[i] = replace(cues[i], text=lines[i][stays])
            shortened.append(
                (cues[i], f"{cues[i].cue_id}: a line in {spoken[1 - stays]} was left out: {lines[i][1 - stays]}")
            )
    return made, shortened


def _tongue(text: str) -> str | None:
    """The language of a text or, if its words do not tell, its script."""
    return language_of(text) or script_of(text)


def _chosen(spoken: dict[int, str | None], languages: Sequence[str]) -> int | None:
    """The track that stays; None if the tracks are not in two languages."""
    known = [language for language in spoken.values() if language is not None]
    if len(set(known)) < 2 or ("LATIN" in known and not {"LATIN", *NOT_LATIN}.issuperset(known)):
        return None  # a text in Latin letters of unknown language may be in the same language as the other
    wanted = next((language for language in languages if language in known), known[0])
    return next(track for track, language in spoken.items() if language == wanted)
