"""A curator's decision on a sample or source video, and the rules for decisions of several curators."""

import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from longtake.schemas.errors import ConfigError
from longtake.schemas.keys import is_sample_key

MAX_NOTE, MAX_CURATOR, MAX_ID = 1000, 100, 512  # characters
SUBJECTS = ("sample", "video")
STRICTEST_FIRST = ("reject", "flag", "ok")
WITHDRAWN = "none"
NOBODY = "somebody"  # a curator without a name
ADJUDICATION = "adjudication"  # the basis of a verdict that settles a conflict
_LABEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_CHANGE = re.compile(r"[A-Za-z0-9-]{0,64}")
_JOINERS = "\u200c\u200d"  # invisible, and part of correct spelling in Persian and Hindi


class OnConflict(StrEnum):
    """Which decision counts if curators differ."""

    REFUSE = "refuse"
    STRICTEST = "strictest"
    LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of the log. Raises ConfigError for invalid values.

    `subject` is "sample" or "video", `subject_id` a sample key or a video id. `decision` is "reject", "flag", "ok", or "none" to
    withdraw one. `label` is "" or a short name for the problem: misaligned, bad_text, privacy, not_video, other. `decided_at` is
    "" or an ISO 8601 time, kept in UTC to the second ("2026-11-25T18:20:05Z"). A time without a zone counts as UTC. `basis` is
    "", or "adjudication" for a verdict that settles a conflict between curators. `change` is "" or the id that a page gave the
    change, so that a change sent twice counts once.
    """

    subject: str
    subject_id: str
    decision: str
    label: str = ""
    note: str = ""
    curator: str = ""
    decided_at: str = ""
    basis: str = ""
    change: str = ""

    def __post_init__(self) -> None:
        if self.subject not in SUBJECTS:
            raise ConfigError(f"subject {_told(self.subject)}: must be sample or video")
        if self.subject == "sample" and not is_sample_key(self.subject_id):
            raise ConfigError(f"subject_id {_told(self.subject_id)}: not the key of a sample")
        if not self.subject_id.strip() or len(self.subject_id) > MAX_ID or not _can_be_kept(self.subject_id):
            raise ConfigError(f"subject_id {_told(self.subject_id)}: must be text of 1 to {MAX_ID} characters")
        if self.decision not in (*STRICTEST_FIRST, WITHDRAWN):
            raise ConfigError(f"decision {_told(self.decision)}: must be reject, flag, ok, or none to withdraw one")
        if self.label and not _LABEL.fullmatch(self.label):
            raise ConfigError(f"label {_told(self.label)}: must be up to 40 of a-z, 0-9, _ and -")
        for name, text, limit in (("note", self.note, MAX_NOTE), ("curator", self.curator, MAX_CURATOR)):
            if len(text) > limit or not _is_one_line(text):
                raise ConfigError(f"{name} {_told(text)}: must be one line of up to {limit:,} printable characters")
        if self.basis not in ("", ADJUDICATION):
            raise ConfigError(f"basis {_told(self.basis)}: must be empty or {ADJUDICATION}")
        if not _CHANGE.fullmatch(self.change):
            raise ConfigError(f"change {_told(self.change)}: must be up to 64 of a-z, A-Z, 0-9 and -")
        object.__setattr__(self, "decided_at", _utc(self.decided_at))

    @property
    def about(self) -> tuple[str, str]:
        """The subject and its id."""
        return self.subject, self.subject_id

    @property
    def verdict(self) -> tuple[str, str, str]:
        """The decision with its label and note."""
        return self.decision, self.label, self.note


def _told(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")


def _is_one_line(text: str) -> bool:
    return text.isprintable() or all(c.isprintable() or c in _JOINERS or unicodedata.category(c) == "Zs" for c in text)


def _can_be_kept(text: str) -> bool:
    return (text.isascii() and "\0" not in text) or not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)


@functools.lru_cache(1024)  # a bulk has one time for all its rows
def _utc(text: str) -> str:
    if not text:
        return ""
    try:
        when = datetime.fromisoformat(text)
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigError(f"decided_at {_told(text)}: not a time of ISO 8601, as 2026-11-25T18:20:05Z") from None
    return when.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A subject on which curators differ, with the decision of each curator."""

    subject: str
    subject_id: str
    decisions: tuple[Decision, ...]


def current(decisions: Iterable[Decision]) -> dict[tuple[str, str], list[Decision]]:
    """Return each curator's decision on each subject, by subject and curator, without withdrawn decisions. The latest decision
    counts; of several with the same time or no time, the last in the given order. A verdict of a curator and an adjudication by
    the same curator are two decisions."""
    latest: dict[tuple[str, str, str, str], Decision] = {}
    for decision in sorted(decisions, key=lambda decision: decision.decided_at):
        latest[*decision.about, decision.curator, decision.basis] = decision
    found: dict[tuple[str, str], list[Decision]] = {}
    for (subject, subject_id, *_), decision in sorted(latest.items()):
        if decision.decision != WITHDRAWN:
            found.setdefault((subject, subject_id), []).append(decision)
    return found


def standing(decisions: Sequence[Decision]) -> list[Decision]:
    """Return those of the current decisions on a subject that count: the adjudications if there are any, else all."""
    return [one for one in decisions if one.basis == ADJUDICATION] or list(decisions)


def steps(decisions: Iterable[Decision], about: tuple[str, str], curator: str, basis: str = "") -> list[Decision]:
    """Return a curator's decisions on a subject, step by step. The last one counts now; undone decisions are not included.

    A return to the decision before counts as undoing, so undoing twice goes back two steps.
    """
    found: list[Decision] = []
    for one in sorted(decisions, key=lambda decision: decision.decided_at):
        if (one.about, one.curator, one.basis) != (about, curator, basis):
            continue
        if one.decision == WITHDRAWN and len(found) <= 1:
            found.clear()
        elif len(found) > 1 and one.verdict == found[-2].verdict:
            found.pop()
        elif not found or one.verdict != found[-1].verdict:
            found.append(one)
    return found


def conflicts(decisions: Iterable[Decision]) -> list[Conflict]:
    """Return the subjects on which current decisions of curators differ and no adjudication settled it. A video and its sample
    are two subjects."""
    return [
        Conflict(*about, tuple(those))
        for about, those in current(decisions).items()
        if len({one.decision for one in standing(those)}) > 1
    ]


def settle(decisions: Iterable[Decision], policy: str = OnConflict.REFUSE) -> list[Decision]:
    """Return one decision for each subject that has any, by subject. The order of the current decisions does not matter.

    An adjudication counts before all verdicts. If curators differ, `policy` decides: "refuse" raises ConfigError with a line for
    each conflict, "strictest" takes reject before flag before ok, "latest" takes the decision with the latest time.
    """
    decisions = list(decisions)
    if policy == OnConflict.REFUSE and (found := conflicts(decisions)):
        raise ConfigError(_explained(found))
    by_time = policy == OnConflict.LATEST

    def order(one: Decision) -> tuple[Any, ...]:
        strict = -STRICTEST_FIRST.index(one.decision)
        return (*((one.decided_at, strict) if by_time else (strict, one.decided_at)), one.curator, one.label, one.note)

    return [max(standing(those), key=order) for those in current(decisions).values()]


def _explained(found: Sequence[Conflict], shown: int = 20) -> str:
    lines = []
    for conflict in found[:shown]:
        subject_id = conflict.subject_id if _is_one_line(conflict.subject_id) else _told(conflict.subject_id)
        said = [
            f"{one.curator or NOBODY}: {one.decision} ({one.decided_at or 'no time'})" for one in conflict.decisions
        ]
        lines.append(f"  {conflict.subject} {subject_id}: {'; '.join(said)}")
    if len(found) > shown:
        lines.append(f"  ... and {len(found) - shown:,} more")
    many = "1 subject" if len(found) == 1 else f"{len(found):,} subjects"
    first = (
        f"Curators differ on {many}. Let them agree, or say which decision counts: --on-conflict strictest or latest."
    )
    return "\n".join([first, *lines])


def merge_logs(logs: Iterable[Iterable[Decision]]) -> list[Decision]:
    """Return all rows of several logs, each once, ordered by time. Rows without a time come first, in the given order."""
    last_first = reversed([decision for log in logs for decision in log])
    rows = list(dict.fromkeys(last_first))[::-1]  # of equal rows, the last counts
    rows.sort(key=lambda decision: decision.decided_at)
    return rows
