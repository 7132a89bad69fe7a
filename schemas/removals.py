"""Requests to remove something from a corpus, as records in `removals.jsonl` beside it: what was asked, what was removed, and the
hashes that prove it. New versions leave the file. It holds ids, and no text."""

import json
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date
from typing import Any

from longtake.schemas import storage
from longtake.schemas.amending import amend
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Removal:
    """A request, and what became of it.

    Attributes:
        request: its reference, such as the number of a ticket.
        received: the day it came, "" if not given.
        done: when it was done (ISO 8601, UTC); "" while the takedown runs, or if it was interrupted.
        note: the reason, as in the ledger.
        videos: ids of the source videos that were removed.
        samples: SHA-256 of the files of each removed sample, by key, as the index had it.
        copies_by_frames: source videos with the same frames, by the search for duplicates.
        copies_by_text: samples with the same words.
        copies_removed: whether these were removed too.
        before: version and SHA-256 of corpus.json before.
        after: the same after it; empty until it is done.
        shards_gone: SHA-256 of shards that held something of it, by name.
    """

    request: str
    received: str = ""
    done: str = ""
    note: str = ""
    videos: tuple[str, ...] = ()
    samples: dict[str, str] = field(default_factory=dict)
    copies_by_frames: tuple[str, ...] = ()
    copies_by_text: tuple[str, ...] = ()
    copies_removed: bool = False
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    shards_gone: dict[str, str] = field(default_factory=dict)
    format: int = _FORMAT

    def finished(self, when: str, after: dict[str, Any], shards: dict[str, str]) -> "Removal":
        """The record of the request when it is done. `shards` are those of the new version: of `shards_gone`, they stay out."""
        gone = {name: sha256 for name, sha256 in self.shards_gone.items() if sha256 not in shards.values()}
        return replace(self, done=when, after=after, shards_gone=gone)


def removals_path(layout: Layout) -> str:
    """The file with the records of a corpus."""
    return layout.path("removals.jsonl")


def read_removals(layout: Layout) -> list[Removal]:
    """The records of a corpus, the last one of each request, in the order of the requests. Raises ConfigError that names file and
    line."""
    path = removals_path(layout)
    if not storage.exists(path):
        return []
    latest: dict[tuple[str, str], Removal] = {}
    for number, line in enumerate(storage.read_bytes(path).split(b"\n"), 1):
        if not line.strip():
            continue
        one = _parsed(line, f"{path}:{number}")
        latest[one.request, str(one.before.get("corpus_json_sha256", ""))] = one
    return list(latest.values())


def append_removal(layout: Layout, removal: Removal) -> None:
    """Add a record. Raises OSError."""
    line = json.dumps(asdict(removal), sort_keys=True, ensure_ascii=False).encode() + b"\n"

    def change(data: bytes) -> tuple[int, bytes]:
        whole = data.rfind(b"\n") + 1
        try:
            _parsed(data[whole:], "")
        except ConfigError:
            return whole, line  # a crash left a line unfinished, or there is none
        return len(data), b"\n" + line  # whole but for its end, as some editors leave it

    amend(removals_path(layout), change)


def checked_request(request: str, received: str) -> None:
    """Check what a person gave. Raises ConfigError."""
    if not request.strip() or len(request) > 200 or not request.isprintable():
        raise ConfigError("--request: the reference of the request, on one line of up to 200 characters")
    try:
        if received:
            date.fromisoformat(received)
    except ValueError:
        raise ConfigError(f"--received {received[:60]}: not a day, as 2026-11-20") from None


def _parsed(line: bytes, where: str) -> Removal:
    try:
        raw = json.loads(line)
        if raw.get("format") != _FORMAT:
            raise ValueError("another format")
        known = {one.name for one in fields(Removal)}
        if not raw.keys() <= known:
            raise ValueError(f"unknown {', '.join(sorted(raw.keys() - known))}")
        texts = ("request", "received", "done", "note")
        lists = ("videos", "copies_by_frames", "copies_by_text")
        tables = ("samples", "before", "after", "shards_gone")
        sound = all(isinstance(raw.get(name, ""), str) for name in texts)
        sound &= all(isinstance(raw.get(name, []), list) for name in lists)
        sound &= all(isinstance(raw.get(name, {}), dict) for name in tables)
        if not sound:
            raise ValueError("a field has another type")
        values: dict[str, Any] = {name: tuple(value) if name in lists else value for name, value in raw.items()}
        return Removal(**values)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{where}: not the record of a removal: {error}") from None
