"""Names similar to a name that was not found."""

import heapq
from collections.abc import Iterable
from difflib import SequenceMatcher

_LIKE = 0.6  # the default cutoff of difflib.get_close_matches


def near_names(wanted: str, names: Iterable[str], count: int = 5) -> list[str]:
    """The names most similar to `wanted`, best first. A name that differs only in case, or contains `wanted` or is part of it,
    comes before others. `names` is never held in a list."""
    best: list[tuple[float, str]] = []
    matcher = SequenceMatcher(b=wanted.lower())
    for name in names:
        score = _likeness(matcher, wanted.lower(), name.lower(), best[0][0] if len(best) == count else _LIKE)
        if score >= _LIKE and (score, name) not in best:
            (heapq.heappush if len(best) < count else heapq.heappushpop)(best, (score, name))
    return [name for _, name in sorted(best, key=lambda found: (-found[0], found[1]))]


def _likeness(matcher: SequenceMatcher[str], wanted: str, name: str, at_least: float) -> float:
    if name == wanted:
        return 2.0
    if wanted in name or name in wanted:
        return 1 + min(len(name), len(wanted)) / max(len(name), len(wanted))
    matcher.set_seq1(name)
    if matcher.real_quick_ratio() < at_least or matcher.quick_ratio() < at_least:
        return 0.0
    return matcher.ratio()
