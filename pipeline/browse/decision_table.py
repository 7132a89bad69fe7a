"""What a file of decisions says at one time, as a whole and as somebody may see it; and values made of it that follow it.

Verdicts are blind: a curator sees those of others on a subject only after a verdict of their own on it (`seen_by`).
"""

import functools
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from longtake.schemas.decision import ADJUDICATION, STRICTEST_FIRST, Decision, standing

About = tuple[str, str]  # "sample" or "video", and its id
Value = TypeVar("Value")

_STEPS = 1000  # changes of a file that are remembered
_MANY = 20_000  # changed subjects: all is made again


@dataclass(frozen=True)
class DecisionTable:
    """The rows of a file at one time. `version` changes when the rows change; `turn` counts these changes. `whole` are all rows
    of the file, `sees` tells which of them may be seen; None for all."""

    version: str
    whole: tuple[Decision, ...]
    current: dict[About, list[Decision]]
    turn: int = 0
    sees: Callable[[Decision], bool] | None = None

    @functools.cached_property
    def rows(self) -> tuple[Decision, ...]:
        """The rows that may be seen."""
        return self.whole if self.sees is None else tuple(filter(self.sees, self.whole))

    def of(self, key: str, video_id: str) -> list[Decision]:
        """The current decisions on a sample and on its video."""
        return [*self.current.get(("sample", key), ()), *self.current.get(("video", video_id), ())]

    def own(self, key: str, video_id: str, basis: str = "") -> dict[str, dict[str, tuple[str, str, str]]]:
        """The current decision, label and note of each curator, on a sample ("sample") and on its video ("video")."""
        both = {"sample": self.current.get(("sample", key), []), "video": self.current.get(("video", video_id), [])}
        return {
            subject: {one.curator: one.verdict for one in those if one.basis == basis}
            for subject, those in both.items()
        }

    def state(self, key: str, video_id: str) -> str:
        """The strictest decision that counts on a sample or its video; "" if there is none."""
        both = (self.current.get(("sample", key), []), self.current.get(("video", video_id), []))
        found = {one.decision for those in both for one in standing(those)}
        return next((name for name in STRICTEST_FIRST if name in found), "")

    def is_decided(self, key: str, video_id: str) -> bool:
        """Whether anybody decided on a sample or its video."""
        return ("sample", key) in self.current or ("video", video_id) in self.current

    def seen_by(self, curator: str, adjudicates: bool = False) -> "DecisionTable":
        """What a curator may see: own decisions, and the others' on subjects with an own verdict. Who adjudicates also sees all
        verdicts on subjects in conflict, and on those that were adjudicated."""
        return self._seen_by(curator, adjudicates, {}, self.current)

    def mended(
        self, seen: "DecisionTable", curator: str, adjudicates: bool, changed: Iterable[About]
    ) -> "DecisionTable":
        """What `seen_by` returns, made of what it returned earlier; `changed` are the subjects whose rows are others since."""
        return self._seen_by(curator, adjudicates, dict(seen.current), changed)

    def _seen_by(
        self, curator: str, adjudicates: bool, shown: dict[About, list[Decision]], abouts: Iterable[About]
    ) -> "DecisionTable":
        for about in abouts:
            those = self.current.get(about, [])
            if own := those if _is_open(those, curator, adjudicates) else [d for d in those if d.curator == curator]:
                shown[about] = own
            else:
                shown.pop(about, None)

        def sees(one: Decision) -> bool:
            return one.curator == curator or _is_open(self.current.get(one.about, ()), curator, adjudicates)

        return replace(self, version=f"{self.version} as {adjudicates} {curator}", current=shown, sees=sees)


def _is_open(decisions: Sequence[Decision], curator: str, adjudicates: bool) -> bool:
    """Whether a curator may see these decisions on a subject, also the others'."""
    for one in decisions:
        if one.curator == curator and not one.basis:
            return True
    return adjudicates and is_disputed(decisions)


def is_verdict_of(decision: Decision, curator: str) -> bool:
    """Whether a decision is a verdict of this curator, and no adjudication."""
    return decision.curator == curator and not decision.basis


def is_disputed(decisions: Sequence[Decision]) -> bool:
    """Whether the verdicts on a subject differ, whether or not an adjudication settled that."""
    if len(decisions) == 1:  # nearly all subjects of a large corpus
        return decisions[0].basis == ADJUDICATION
    verdicts = {one.decision for one in decisions if not one.basis}
    return len(verdicts) > 1 or any(one.basis == ADJUDICATION for one in decisions)


def mend_disputed(
    disputed: Mapping[About, list[Decision]], current: Mapping[About, list[Decision]], changed: Iterable[About]
) -> dict[About, list[Decision]]:
    """The current decisions on each subject whose verdicts differ, made of what they were before some subjects changed."""
    found = dict(disputed)
    for about in changed:
        found.pop(about, None)
        if is_disputed(those := current.get(about, [])):
            found[about] = those
    return found


class Changes:
    """The subjects that changed at each turn of a file. For one thread at a time."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, Collection[About] | None]] = deque(maxlen=_STEPS)

    def add(self, turn: int, changed: Collection[About] | None) -> None:
        """Note what changed at a turn; None if that is not known."""
        self._steps.append((turn, None if changed is None or len(changed) > _MANY else changed))

    def between(self, before: int, now: int) -> set[About] | None:
        """The subjects that changed after the turn `before`, until the turn `now`. None if all has to be made again: it is not
        known, or they are many."""
        found, turns = set[About](), 0
        for turn, changed in self._steps:
            if before < turn <= now:
                if changed is None or len(found) + len(changed) > _MANY:
                    return None
                found.update(changed)
                turns += 1
        return found if turns == now - before else None


class Following(Generic[Value]):
    """Values made of decisions, mended where these changed. Safe for many threads."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._held: OrderedDict[Hashable, tuple[int, Value]] = OrderedDict()

    def get(
        self,
        name: Hashable,
        turn: int,
        between: Callable[[int, int], set[About] | None],
        make: Callable[[], Value],
        mend: Callable[[Value, set[About]], Value],
    ) -> Value:
        """The value of a name at a turn.

        Args:
            name: of the value.
            turn: of the decisions that it is made of.
            between: see Changes.between.
            make: makes the value of all decisions.
            mend: makes the value of an older one, and of the subjects that changed since. It must not change the older one.
        """
        with self._lock:
            before, value = self._held.get(name, (-1, None))
        if value is not None and before == turn:
            return value
        changed = between(before, turn) if value is not None else None
        made = make() if value is None or changed is None else mend(value, changed)
        with self._lock:
            self._held[name] = turn, made
            self._held.move_to_end(name)
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return made
