"""_fetch.json: the figures of a run, or of a dry run in _dry_run.json. `longtake fetch` prints them."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from longtake.pipeline.fetch.facts import Facts
from longtake.pipeline.fetch.record import FetchRecord
from longtake.pipeline.ledger.tally import Tally
from longtake.schemas import storage
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Subject
from longtake.schemas.records import Drop

SUMMARY_FILE, DRY_RUN_FILE = "_fetch.json", "_dry_run.json"
_LICENCES = 50  # the commonest are kept
_UNSTATED = "not stated"


@dataclass(frozen=True, slots=True)
class FetchSummary:
    """Figures of a run.

    Attributes:
        videos: those asked for by a usable line.
        fetched: those with a file, of this run or an earlier one; in a dry run, those that could be fetched now.
        handed_on: records that name a file of their own.
        failed: videos by reason.
        unusable: lines of the list by reason.
        hours: of those whose duration is known, and how many that are.
        bytes: of those whose size is known, and how many that are.
        captions: videos by kind: manual, automatic, none.
        licences: videos by licence, the commonest first.
        short_sides: videos by the short side of the chosen stream in pixels; "?" where nothing says.
    """

    videos: int = 0
    fetched: int = 0
    handed_on: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    unusable: dict[str, int] = field(default_factory=dict)
    hours: float = 0.0
    hours_of: int = 0
    bytes: int = 0
    bytes_of: int = 0
    captions: dict[str, int] = field(default_factory=dict)
    licences: dict[str, int] = field(default_factory=dict)
    short_sides: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The figures as a dictionary, documented in docs/sources.md."""
        return asdict(self)


def tally_of_drop(row: Drop) -> Tally:
    """Count a ledger row."""
    if row.subject is Subject.VIDEO:
        return Counter({("failed", row.reason.value): 1})
    return Counter({("unusable", row.reason.value): 1}) if row.subject is Subject.RECORD else Counter()


def tally_of_record(record: FetchRecord) -> Tally:
    """Count a video that was fetched. A failure is counted by its ledger row."""
    if record.reason is not None:
        return Counter()
    found = record.found or Facts("", record.url)
    sides = [side for name in ("width", "height") if (side := record.measured.get(name))]
    tally = _tally(found, min(sides, default=None))
    if record.video is not None:
        tally |= {("bytes",): record.video.bytes, ("bytes_of",): 1}
    if duration_ms := record.measured.get("duration_ms"):
        tally |= {("ms",): duration_ms, ("ms_of",): 1}
    kind = "none" if record.captions is None else "automatic" if (found.captions or {}).get("automatic") else "manual"
    tally["captions", kind] += 1
    return tally


def tally_of_facts(facts: Facts) -> Tally:
    """Count a video of a dry run."""
    stream = facts.stream or {}
    sides = [int(side) for name in ("width", "height") if (side := stream.get(name))]
    tally = _tally(facts, min(sides, default=None))
    if facts.bytes is not None:
        tally |= {("bytes",): facts.bytes, ("bytes_of",): 1}
    if facts.duration_s is not None:
        tally |= {("ms",): round(1000 * facts.duration_s), ("ms_of",): 1}
    kind = "none" if facts.captions is None else "automatic" if facts.captions["automatic"] else "manual"
    tally["captions", kind] += 1
    return tally


def _tally(facts: Facts, side: int | None) -> Tally:
    counts = {("fetched",): 1, ("licence", facts.license or _UNSTATED): 1, ("side", str(side or "?")): 1}
    return Counter(counts)


def summary_of(tally: Tally) -> FetchSummary:
    """Return the figures in a tally."""

    def by(name: str) -> dict[str, int]:
        found = [(key[1], n) for key, n in tally.items() if key[0] == name and len(key) == 2]
        return dict(sorted(found, key=lambda pair: (-pair[1], pair[0])))

    failed = by("failed")
    return FetchSummary(
        videos=tally[("fetched",)] + tally[("handed_on",)] + sum(failed.values()),
        fetched=tally[("fetched",)],
        handed_on=tally[("handed_on",)],
        failed=failed,
        unusable=by("unusable"),
        hours=round(tally[("ms",)] / 3.6e6, 4),
        hours_of=tally[("ms_of",)],
        bytes=tally[("bytes",)],
        bytes_of=tally[("bytes_of",)],
        captions=by("captions"),
        licences=dict(list(by("licence").items())[:_LICENCES]),
        short_sides=by("side"),
    )


def write_summary(layout: Layout, tally: Tally, ledger: Tally, dry_run: bool) -> None:
    """Write the figures, at the end of a run. Raises AssertionError if the ledger has other rows than were counted."""
    summary = summary_of(tally)
    rows = sum(n for key, n in ledger.items() if key[:2] == ("dropped", Subject.VIDEO.value))
    if rows != sum(summary.failed.values()):
        raise AssertionError(f"{rows} videos in the ledger, {sum(summary.failed.values())} failed")
    data = json.dumps(summary.to_json(), indent=1, ensure_ascii=False).encode()
    storage.write_bytes(summary_path(layout, dry_run), data + b"\n")


def summary_path(layout: Layout, dry_run: bool) -> str:
    """The file of the figures."""
    return layout.path(DRY_RUN_FILE if dry_run else SUMMARY_FILE)


def read_summary(layout: Layout, dry_run: bool) -> FetchSummary | None:
    """Return the figures of the last run that ended; None if there is none."""
    try:
        return FetchSummary(**json.loads(storage.read_bytes(summary_path(layout, dry_run))))
    except (FileNotFoundError, ValueError, TypeError):
        return None
