"""Choose the frames to take and the packets to decode for them. Pure: a packet table and wanted times in, ordinals out.

The frame for a time is the one on screen then: the last frame with a rounded time not after it, or the first of all.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from longtake.pipeline.decode.table import Int64s, PacketTable
from longtake.pipeline.decode.timeline import Timeline

#: ms after the end of the last frame in which a time still gets it: speech often lasts a little longer than pictures.
GRACE_MS = 250


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of packets to decode without a break: ordinals `start` (a random access point) to `stop`, both included."""

    start: int
    stop: int


def on_screen(pts: Sequence[int] | Int64s, times_ms: Iterable[int], timeline: Timeline) -> list[int]:
    """The index in `pts` of the frame for each time. `pts` ascends and is not empty. Of equal `pts`, the last one counts."""
    marks = [timeline.last_pts(time) for time in times_ms]
    return [max(int(i) - 1, 0) for i in np.searchsorted(np.asarray(pts, np.int64), _bounded(marks), side="right")]


def _bounded(marks: list[int]) -> Int64s:
    return np.array([min(max(mark, -(2**63)), 2**63 - 1) for mark in marks], np.int64)


def choose(table: PacketTable, times_ms: Sequence[int], timeline: Timeline, tolerance_ms: int) -> list[int]:
    """Choose the ordinal of the packet to take for each time.

    With a tolerance, any frame within +-tolerance_ms of the time is allowed. The search looks for frames that together cost
    little, and at equal cost for the ones nearest to the frames on screen. It never costs more than the exact choice.
    """
    exact = on_screen(table.shown_pts, times_ms, timeline)
    if tolerance_ms:
        near = _Search(table, times_ms, exact, timeline, tolerance_ms).run()
        if cost(table, (int(table.shown[i]) for i in near)) <= cost(table, (int(table.shown[i]) for i in exact)):
            exact = near
    return [int(table.shown[i]) for i in exact]


def segments(table: PacketTable, wanted: Iterable[int]) -> list[Segment]:
    """The segments to decode for the wanted ordinals, in file order, without overlap."""
    entries = table.entries
    spans = []
    for ordinal in set(wanted):
        group = int(np.searchsorted(entries, ordinal, side="right")) - 1
        if group and table.pts[ordinal] < table.pts[entries[group]]:
            group -= 1  # shown before its random access point (open group), so predicted from both sides
        spans.append((int(entries[group]), ordinal))
    found: list[Segment] = []
    for start, stop in sorted(spans):
        if found and start <= found[-1].stop + 1:
            found[-1] = Segment(found[-1].start, max(stop, found[-1].stop))
        else:
            found.append(Segment(start, stop))
    return found


def cost(table: PacketTable, wanted: Iterable[int]) -> int:
    """The number of packets that the decoder gets for the wanted ordinals."""
    chosen = set(wanted)
    before = table.references_before
    references = sum(int(before[s.stop + 1] - before[s.start]) for s in segments(table, chosen))
    return references + sum(not table.reference[o] for o in chosen)


class _Search:
    """A search for a cheap choice: start each time at the frame that is easiest to reach, then revise one after another."""

    def __init__(
        self, table: PacketTable, times_ms: Sequence[int], exact: list[int], timeline: Timeline, tolerance_ms: int
    ) -> None:
        self.exact = exact
        pts = table.shown_pts
        early = _bounded([timeline.last_pts(t - tolerance_ms - 1) for t in times_ms])
        late = _bounded([timeline.last_pts(t + tolerance_ms) for t in times_ms])
        first, last = np.searchsorted(pts, early, side="right"), np.searchsorted(pts, late, side="right")
        self.range = list(zip(first.tolist(), last.tolist(), strict=True))  # half-open, of indices into shown
        ordinals = table.shown
        self.ordinal: list[int] = ordinals.tolist()
        group = np.searchsorted(table.entries, ordinals, side="right") - 1
        start = table.entries[group]
        self.group: list[int] = group.tolist()
        self.before: list[int] = table.references_before.tolist()
        self.reference: list[bool] = table.reference.tolist()
        self.depth: Int64s = table.references_before[ordinals] - table.references_before[start] + 1
        leads = (pts < table.pts[start]) & (group > 0)
        self.depth[leads] += len(table)  # also needs the group before, so never worth it alone
        self.leads: list[bool] = leads.tolist()
        self.chosen: dict[int, list[int]] = {}  # by group, the chosen ordinals, sorted, one for each time

    def run(self) -> list[int]:
        current = [
            lo + int(np.argmin(self.depth[lo:hi])) if hi > lo else at
            for at, (lo, hi) in zip(self.exact, self.range, strict=True)
        ]
        for index in current:
            insort(self.chosen.setdefault(self.group[index], []), self.ordinal[index])
        for n in range(len(current)):
            current[n] = self._revise(n, current[n])
        return current

    def _revise(self, n: int, index: int) -> int:
        """The frame nearest to the one on screen that costs no more than `index`, given all other choices."""
        others = self.chosen[self.group[index]]
        del others[bisect_left(others, self.ordinal[index])]
        limit, exact = self._extra(index), self.exact[n]
        lo, hi = self.range[n]
        candidates = sorted({exact, index, *self._between(lo, hi, exact, index)}, key=lambda i: (abs(i - exact), i))
        best = next(i for i in candidates if self._extra(i) <= limit)
        insort(self.chosen.setdefault(self.group[best], []), self.ordinal[best])
        return int(best)

    def _between(self, lo: int, hi: int, exact: int, index: int) -> range:
        """The frames in the range that are nearer to `exact` than `index` is."""
        reach = abs(index - exact)
        return range(max(lo, exact - reach), min(hi, exact + reach + 1))

    def _extra(self, index: int) -> int:
        """The packets to decode for this frame in addition to the choices already made."""
        ordinal = self.ordinal[index]
        others = self.chosen.get(self.group[index], [])
        at = bisect_right(others, ordinal)
        if at and others[at - 1] == ordinal:
            return 0
        if not others or self.leads[index]:
            return int(self.depth[index])
        own = 0 if self.reference[ordinal] else 1
        if at < len(others):  # a later frame is decoded anyway
            return own
        extra: int = self.before[ordinal + 1] - self.before[others[-1] + 1]
        return extra + own
