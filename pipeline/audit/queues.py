"""Queues: the samples that each curator is to judge, and how far each one is.

A part of the samples goes to two curators (double coding), so that their agreement can be measured (`agreement`).
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from longtake.pipeline.audit.checks.verdicts import as_table
from longtake.pipeline.audit.result import Table
from longtake.pipeline.audit.sampling import ReviewSample
from longtake.schemas import storage
from longtake.schemas.amending import amend
from longtake.schemas.curators import checked_name
from longtake.schemas.decision import Decision, current
from longtake.schemas.errors import ConfigError
from longtake.schemas.keys import is_sample_key
from longtake.schemas.layout import Layout

CONFLICTS = "conflicts"  # the queue of all subjects on which curators differ; nobody deals it out
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class QueuedSample:
    """A sample in the queue `queue` of a curator, at `place`, from 0."""

    queue: str
    curator: str
    place: int
    key: str
    video_id: str
    stratum: str


COLUMNS = tuple(field.name for field in fields(QueuedSample))


@dataclass(frozen=True, slots=True)
class QueueProgress:
    """How far a curator is in a queue: samples in it, samples decided, and samples that another curator has too."""

    queue: str
    curator: str
    total: int
    done: int
    shared: int
    following: str  # the key of the first sample without a decision; "" if there is none

    @property
    def address(self) -> str:
        """The name of the queue in addresses."""
        return f"{self.queue}/{self.curator}"


@dataclass(frozen=True, slots=True)
class QueueTable:
    """All queues of a corpus, in their order."""

    rows: tuple[QueuedSample, ...] = ()

    def of(self, address: str) -> list[QueuedSample]:
        """The samples of the queue with an address, NAME/CURATOR; empty if there is none."""
        queue, _, curator = address.partition("/")
        return [one for one in self.rows if (one.queue, one.curator) == (queue, curator)]

    def progress(self, decisions: Mapping[tuple[str, str], Sequence[Decision]]) -> list[QueueProgress]:
        """How far each queue is. `decisions` are the current ones; a decision on a sample's video counts too."""
        by_queue: dict[tuple[str, str], list[QueuedSample]] = {}
        holders: dict[tuple[str, str], int] = {}
        for one in self.rows:
            by_queue.setdefault((one.queue, one.curator), []).append(one)
            holders[one.queue, one.key] = holders.get((one.queue, one.key), 0) + 1
        found = []
        for (queue, curator), those in by_queue.items():
            left = [one for one in those if not _has_judged(curator, one, decisions)]
            shared = sum(holders[queue, one.key] > 1 for one in those)
            following = left[0].key if left else ""
            found.append(QueueProgress(queue, curator, len(those), len(those) - len(left), shared, following))
        return found


NO_QUEUES = QueueTable()


def _has_judged(curator: str, one: QueuedSample, decisions: Mapping[tuple[str, str], Sequence[Decision]]) -> bool:
    both = (*decisions.get(("sample", one.key), ()), *decisions.get(("video", one.video_id), ()))
    return any(decision.curator == curator and not decision.basis for decision in both)


def queue_tables(queues: QueueTable, decisions: Iterable[Decision]) -> tuple[Table, ...]:
    """The queues as the report shows them; empty if none was dealt out."""
    rows: list[tuple[object, ...]] = [
        (one.queue, one.curator, one.total, one.done, one.shared) for one in queues.progress(current(decisions))
    ]
    columns = ("queue", "curator", "samples", "decided", "judged twice")
    return (as_table("Queues", columns, rows, "From queues.csv and the decisions of curators."),) if rows else ()


# -- dealing out


def checked_queue(name: str) -> str:
    """Return the name of a queue. Raises ConfigError if it cannot be one."""
    if not _NAME.fullmatch(name) or name == CONFLICTS:
        raise ConfigError(f"queue {name[:60]!r}: must be up to 40 of a-z, 0-9, _ and -, and not {CONFLICTS}")
    return name


def deal(
    drawn: Sequence[ReviewSample], queue: str, curators: Sequence[str], double: float = 0, seed: int = 0
) -> list[QueuedSample]:
    """Deal out a drawn sample in turn. The order within each queue is the order of the draw.

    Args:
        drawn: the samples, in the order of review.
        queue: the name of the queues.
        curators: who gets one.
        double: the share of the samples, 0 to 1, that a second curator gets too; rounded to the nearest number of samples.
        seed: decides which samples these are; the same seed chooses the same ones.

    Raises:
        ConfigError: fewer than two curators for double coding, or a curator named twice.
    """
    names = [checked_name(name) for name in curators]
    if len(set(names)) != len(names) or not names:
        raise ConfigError("queues: name each curator once")
    if double and len(names) < 2:
        raise ConfigError("queues: double coding needs two curators or more")
    number = int(len(drawn) * double + 0.5)
    by_hash = sorted(drawn, key=lambda one: hashlib.sha256(f"{seed}:double:{one.key}".encode()).digest())
    twice = {one.key for one in by_hash[:number]}
    hands: dict[str, list[ReviewSample]] = {name: [] for name in names}
    for n, one in enumerate(drawn):
        hands[names[n % len(names)]].append(one)
        if one.key in twice:
            others = [(n + step) % len(names) for step in range(1, len(names))]
            second = min(others, key=lambda other: len(hands[names[other]]))  # whoever has least; of these, the next
            hands[names[second]].append(one)
    return [
        QueuedSample(queue, name, place, one.key, one.video_id, one.stratum)
        for name, hand in hands.items()
        for place, one in enumerate(hand)
    ]


def least_agreed(decisions: Iterable[Decision]) -> list[tuple[str, float]]:
    """The keys of judged samples, least agreed first, each with its agreement: the share of its most frequent verdict.

    Samples with one verdict come after all that differ: nobody has confirmed it. Then those on which all agree, fewest verdicts
    first. Samples that were adjudicated are settled and left out.
    """
    found = []
    for (subject, key), those in current(decisions).items():
        if subject != "sample" or any(one.basis for one in those):
            continue
        verdicts = [one.decision for one in those]
        share = max(map(verdicts.count, set(verdicts))) / len(verdicts)
        found.append((share, len(verdicts), key))
    return [(key, share) for share, _, key in sorted(found)]


# -- the file


def queues_path(layout: Layout) -> str:
    """The file with the queues. It is beside the corpus, like decisions.csv; new versions leave it."""
    return layout.path("queues.csv")


def read_queues(path: str) -> QueueTable:
    """Read the queues in a file; none if there is no file, or nothing in it. Raises ConfigError that names file and line."""
    if not storage.exists(path):
        return QueueTable()
    return QueueTable(tuple(_parsed(path, storage.read_bytes(path))))


def write_queue(layout: Layout, queue: str, dealt: Iterable[QueuedSample], replace: bool = True) -> None:
    """Write the queues of one name in place of earlier ones of this name. Raises ConfigError if the file is damaged, or if there
    are earlier ones and they must not be replaced."""
    rows, path = list(dealt), queues_path(layout)

    def change(data: bytes) -> tuple[int, bytes]:
        known = _parsed(path, data)
        others = [one for one in known if one.queue != queue]
        if len(others) < len(known) and not replace:
            raise ConfigError(
                f"there is a queue {queue} already; choose another name, or deal it out again with longtake queues"
            )
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([getattr(one, name) for name in COLUMNS] for one in (*others, *rows))
        return 0, out.getvalue().encode()

    amend(path, change)


def _parsed(path: str, data: bytes) -> list[QueuedSample]:
    if not data:
        return []
    found, line = [], 1
    try:
        reader = csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"its columns must be {', '.join(COLUMNS)}")
        for row in reader:
            line = reader.line_num
            if not _NAME.fullmatch(row["queue"]) or not is_sample_key(row["key"]):
                raise ValueError("no name of a queue, or no key of a sample")
            found.append(
                QueuedSample(
                    row["queue"], row["curator"], int(row["place"]), row["key"], row["video_id"], row["stratum"]
                )
            )
    except (ValueError, TypeError, csv.Error) as error:
        raise ConfigError(
            f"{path}:{line}: not a file of queues: {error}. Deal them out again: longtake queues"
        ) from None
    return sorted(found, key=lambda one: (one.queue, one.curator, one.place))
