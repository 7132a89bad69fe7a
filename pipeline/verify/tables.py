"""Read the plan and the ledger of a corpus part by part. Check their own rules, and collect facts for the other checks."""

import json
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longtake.pipeline.corpus.checked_table import read_batches, read_rows, row_digest
from longtake.pipeline.corpus.faults import FaultList, list_some
from longtake.pipeline.merge.groups import GROUP_REASONS
from longtake.pipeline.verify.index import Hashes
from longtake.schemas import storage, tables
from longtake.schemas.keys import hash64, is_sample_key
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason, Stage, Subject


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """One part of the plan: a number for each row, in order. `splits` are hashes of the names in `names`."""

    path: str
    keys: Hashes
    digests: Hashes
    videos: Hashes
    splits: Hashes
    places: Hashes  # shard << 32 | position
    sentences: Hashes
    names: tuple[str, ...]
    faults: FaultList


def plan_facts(path: str) -> PlanFacts:
    """Read one part of the plan."""
    faults = FaultList(f"plan/{path.rpartition('/')[2]}")
    columns: dict[str, list[int]] = {
        name: [] for name in ("keys", "digests", "videos", "splits", "places", "sentences")
    }
    names: set[str] = set()
    for rows in read_rows(path, tables.PLAN, faults, optional=tables.SPEECH):
        for row in rows:
            if not is_sample_key(row["key"]):
                faults.add("not a sample key", row["key"])
            if min(row["shard"], row["position"]) < 0:
                faults.add("has no place in a shard", row["key"])
            names.add(row["split"])
            columns["keys"].append(hash64(row["key"]))
            columns["digests"].append(row_digest(row))
            columns["videos"].append(hash64(row["video_id"]))
            columns["splits"].append(hash64(row["split"]))
            columns["places"].append(max(row["shard"], 0) << 32 | max(row["position"], 0))
            columns["sentences"].append(len(row["sentences"]))
    arrays = {name: np.array(values, np.uint64) for name, values in columns.items()}
    return PlanFacts(path, **arrays, names=tuple(sorted(names)), faults=faults)


def published_groups(layout: Layout, faults: FaultList) -> int:
    """The number of published groups that the source named, from the figures of the plan; 0 if it named none."""
    path = storage.join(layout.plan, "_plan.json")
    try:
        found = json.loads(storage.read_bytes(path)).get("groups", 0) if storage.exists(path) else 0
    except (ValueError, AttributeError) as error:
        faults.add(f"unreadable: {error}")
        return 0
    return found if isinstance(found, int) else 0


@dataclass(slots=True)
class LedgerFacts:
    """One part of the ledger. Rows are counted by subject. Rows that must fit the plan and the index are kept as hashes."""

    faults: FaultList
    rows: Counter[str] = field(default_factory=Counter)
    videos: list[int] = field(default_factory=list)  # of each video row
    taken_down: list[int] = field(default_factory=list)  # of each video row of stage takedown
    clips_taken_down: list[int] = field(default_factory=list)  # of each clip row of stage takedown
    clips: list[int] = field(default_factory=list)  # of each clip row of stage decode
    sentences: Counter[int] = field(default_factory=Counter)  # video -> sentence rows of stage decode
    groups: Counter[str] = field(default_factory=Counter)  # rows of each published group, by its id
    names: dict[int, str] = field(default_factory=dict)  # hash -> name of videos and long clips


_CLOSED: dict[str, list[StrEnum]] = {"subject": list(Subject), "stage": list(Stage), "reason": list(Reason)}


def ledger_facts(path: str) -> LedgerFacts:
    """Read one part of the ledger."""
    faults = FaultList(f"ledger/{path.rpartition('/')[2]}")
    facts = LedgerFacts(faults)
    for batch in read_batches(path, tables.LEDGER, faults):
        _check_closed(batch, faults)
        try:
            _count(batch, facts)
        except ValueError as error:  # text that is not UTF-8
            faults.cannot_read(f"unreadable: {error}")
            break
    return facts


def _check_closed(batch: pa.RecordBatch, faults: FaultList) -> None:
    for column, allowed in _CLOSED.items():
        values = batch.column(column)
        strange = pc.unique(values.filter(pc.invert(pc.is_in(values, pa.array([str(v) for v in allowed])))))
        if len(strange):
            faults.add(f"{column} {list_some([repr(v) for v in strange.to_pylist()])} does not exist")


def _count(batch: pa.RecordBatch, facts: LedgerFacts) -> None:
    for counted in pc.value_counts(batch.column("subject")).to_pylist():
        facts.rows[counted["values"]] += counted["counts"]
    subject = batch.column("subject")
    of_group = pc.is_in(batch.column("reason"), pa.array([reason.value for reason in GROUP_REASONS]))
    of_groups = pc.and_(pc.equal(subject, Subject.RECORD.value), of_group)
    facts.groups.update(batch.filter(of_groups).column("subject_id").to_pylist())
    decode = pc.equal(batch.column("stage"), Stage.DECODE.value)
    takedown = pc.equal(batch.column("stage"), Stage.TAKEDOWN.value)
    late = pc.and_(pc.equal(subject, Subject.CLIP.value), pc.or_(decode, takedown))
    for row in batch.filter(pc.or_(pc.equal(subject, Subject.VIDEO.value), late)).to_pylist():
        mark, is_takedown = hash64(row["subject_id"]), row["stage"] == Stage.TAKEDOWN.value
        facts.names[mark] = row["subject_id"]
        if row["subject"] == Subject.CLIP.value:
            (facts.clips_taken_down if is_takedown else facts.clips).append(mark)
            continue
        facts.videos.append(mark)
        if is_takedown:
            facts.taken_down.append(mark)
    sentences = batch.filter(pc.and_(pc.equal(subject, Subject.SENTENCE.value), decode))
    for counted in pc.value_counts(sentences.column("video_id")).to_pylist():
        facts.sentences[hash64(counted["values"])] += counted["counts"]
