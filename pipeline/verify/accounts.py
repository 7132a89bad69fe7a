"""Check that plan, index, ledger and counts agree: every planned long clip is in a shard or in the ledger, and nothing else is.

The check works on 64-bit hashes, so that millions of long clips fit into memory. Names are read again when they are needed.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from longtake.pipeline.corpus.checked_table import PLANNED, UNREADABLE
from longtake.pipeline.corpus.faults import FaultList, short
from longtake.pipeline.verify.index import Hashes, IndexFacts
from longtake.pipeline.verify.tables import LedgerFacts, PlanFacts
from longtake.schemas import storage
from longtake.schemas.keys import hash64
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, ShardRecord

_EXPLAINED = 10  # faults of one kind; each name costs a read
_SINGULAR = {"videos": "video", "sentences": "sentence", "clips": "clip"}


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a table that is spread over several files."""

    paths: Sequence[str]
    ends: Sequence[int]

    def at(self, row: int) -> dict[str, Any]:
        """Read one row from its file."""
        number = int(np.searchsorted(self.ends, row, side="right"))
        first = self.ends[number - 1] if number else 0
        try:
            rows: list[dict[str, Any]] = storage.read_parquet(self.paths[number]).slice(row - first, 1).to_pylist()
            return rows[0]
        except (*UNREADABLE, IndexError):
            return {"key": "?", "video_id": "?"}

    def key(self, row: int) -> str:
        return str(self.at(row)["key"])

    def video(self, row: int) -> str:
        return f"video {short(self.at(row)['video_id'])}"


def _rows(paths: Sequence[str], columns: Sequence[Hashes]) -> _Rows:
    return _Rows(paths, list(accumulate(len(column) for column in columns)))


def _joined(columns: Sequence[Hashes]) -> Hashes:
    return np.concatenate(columns) if columns else np.array([], np.uint64)


class Accounts:
    """The tables of a corpus, ready to compare."""

    def __init__(
        self,
        layout: Layout,
        shards: Sequence[ShardRecord],
        index: Sequence[IndexFacts],
        plan: Sequence[PlanFacts],
        ledger: Sequence[LedgerFacts],
    ) -> None:
        self._shards, self._index, self._ledger = shards, index, ledger
        self._plan_rows = _rows([part.path for part in plan], [part.keys for part in plan])
        paths = [layout.shard_index(shard.name.removesuffix(".tar")) for shard in shards]
        self._index_rows = _rows(paths, [facts.keys for facts in index])
        self._keys, self._digests = _joined([f.keys for f in index]), _joined([f.digests for f in index])
        self._videos = _joined([f.videos for f in index])
        self._planned, self._plan_digests = _joined([p.keys for p in plan]), _joined([p.digests for p in plan])
        self._plan_videos, self._splits = _joined([p.videos for p in plan]), _joined([p.splits for p in plan])
        self._places, self._sizes = _joined([p.places for p in plan]), _joined([p.sentences for p in plan])
        self._split_names = {hash64(name): name for part in plan for name in part.names}
        self._names = {mark: name for part in ledger for mark, name in part.names.items()}
        self._clip_rows = np.array([mark for part in ledger for mark in part.clips], np.uint64)
        self._video_rows = np.array([mark for part in ledger for mark in part.videos], np.uint64)
        self._taken_down = np.array([mark for part in ledger for mark in part.taken_down], np.uint64)
        self._clips_taken_down = np.array([mark for part in ledger for mark in part.clips_taken_down], np.uint64)

    def check(self, manifest: CorpusManifest, groups: int = 0) -> list[FaultList]:
        """Find where the tables disagree. `groups` is the number of published groups that the plan states."""
        lists = {name: FaultList(name) for name in ("corpus.json", "plan", "index", "ledger")}
        self._check_counts(manifest, lists["corpus.json"])
        self._check_plan(lists["plan"])
        self._check_index(lists["index"])
        self._check_clip_rows(lists["ledger"])
        self._check_video_rows(lists["ledger"])
        self._check_sentence_rows(lists["ledger"])
        if groups:
            self._check_groups(manifest, groups, lists["ledger"])
        return list(lists.values())

    # -- counts --------------------------------------------------------------------------------------------------------

    def _check_counts(self, manifest: CorpusManifest, faults: FaultList) -> None:
        rows: Counter[str] = sum((part.rows for part in self._ledger), Counter())
        kept = {
            "videos": (len(np.unique(self._videos)), "videos have samples"),
            "sentences": (sum(facts.sentences for facts in self._index), "are in the samples of the index"),
        }
        for subject, singular in _SINGULAR.items():
            count = manifest.counts.get(subject)
            if count is None:
                continue
            if count.dropped != rows[singular]:
                faults.add(
                    f"counts.{subject}.dropped is {count.dropped:,}; the ledger has {rows[singular]:,} {singular} rows"
                )
            if subject in kept and kept[subject][0] != count.kept:
                faults.add(f"counts.{subject}.kept is {count.kept:,}; {kept[subject][0]:,} {kept[subject][1]}")

    # -- plan and index ------------------------------------------------------------------------------------------------

    def _check_plan(self, faults: FaultList) -> None:
        faults.add_each(_repeated(self._planned).tolist(), "planned twice", self._plan_rows.key)
        accounted = np.isin(self._planned, self._keys) | np.isin(self._planned, self._clip_rows)
        unknown = np.flatnonzero(~accounted).tolist()
        faults.add_each(unknown, "in no shard, and no ledger row of stage decode says why", self._plan_rows.key)
        pairs = np.unique(np.stack([self._plan_videos, self._splits]), axis=1)
        scattered = np.unique(pairs[0][_repeated(pairs[0])]).tolist()
        for video in scattered[:_EXPLAINED]:
            row = int(np.flatnonzero(self._plan_videos == video)[0])
            names = sorted(self._split_names[s] for s in pairs[1][pairs[0] == video].tolist())
            faults.add(f"is in several splits: {', '.join(names)}", self._plan_rows.video(row))
        faults.omitted += len(scattered[_EXPLAINED:])
        for split in np.unique(self._splits).tolist():
            places = np.sort(self._places[self._splits == split])
            starts = np.flatnonzero(np.diff(places >> np.uint64(32), prepend=np.uint64(2**63)))
            first = np.repeat(starts, np.diff(starts, append=len(places)))
            wrong = (places & np.uint64(2**32 - 1)) != np.arange(len(places)) - first
            for shard in np.unique(places[wrong] >> np.uint64(32)).tolist():
                faults.add(f"the positions of shard {shard} of split {self._split_names[split]} are not 0, 1, 2 and on")

    def _check_index(self, faults: FaultList) -> None:
        faults.add_each(_repeated(self._keys).tolist(), "in the corpus twice", self._index_rows.key)
        order = np.argsort(self._planned, kind="stable")
        at = np.searchsorted(self._planned[order], self._keys)
        found = np.full(len(self._keys), -1, np.int64)  # for each index row, its row in the plan
        inside = at < len(order)
        same = inside.copy()
        same[inside] = self._planned[order[at[inside]]] == self._keys[inside]
        found[same] = order[at[same]]
        faults.add_each(np.flatnonzero(found < 0).tolist(), "not in the plan", self._index_rows.key)
        known = np.flatnonzero(found >= 0)
        differ = known[self._digests[known] != self._plan_digests[found[known]]].tolist()
        for row in differ[:_EXPLAINED]:
            self._report_difference(row, int(found[row]), faults)
        faults.omitted += len(differ[_EXPLAINED:])
        self._check_order(found, faults)

    def _report_difference(self, row: int, planned: int, faults: FaultList) -> None:
        ours, theirs = self._index_rows.at(row), self._plan_rows.at(planned)
        for name in PLANNED:
            if repr(ours.get(name)) != repr(theirs.get(name)):
                faults.add(f"{name} is {short(ours.get(name))}; the plan says {short(theirs.get(name))}", ours["key"])

    def _check_order(self, found: npt.NDArray[np.int64], faults: FaultList) -> None:
        """Check that each shard holds samples of one planned shard, in planned order, and that shards are numbered in planned
        order."""
        last: dict[str, int] = {}
        start = 0
        for shard, facts in zip(self._shards, self._index, strict=True):
            rows = found[start : start + len(facts.keys)]
            start += len(facts.keys)
            places = self._places[rows[rows >= 0]]
            planned = np.unique(places >> np.uint64(32)).tolist()
            name = shard.name.removesuffix(".tar")
            if len(planned) > 1:
                faults.add(f"samples of {len(planned)} planned shards are in one", name)
            elif (places[1:] <= places[:-1]).any():
                faults.add("the samples are not in the order of the plan", name)
            elif planned and planned[0] <= last.get(shard.split, -1):
                faults.add("the shards are not numbered in the order of the plan", name)
            last[shard.split] = max([last.get(shard.split, -1), *planned])

    # -- ledger --------------------------------------------------------------------------------------------------------

    def _check_clip_rows(self, faults: FaultList) -> None:
        self._each(_repeated(self._clip_rows), self._clip_rows, "dropped twice in stage decode", faults)
        self._each(np.isin(self._clip_rows, self._keys), self._clip_rows, "dropped, but it is in the corpus", faults)
        self._each(
            ~np.isin(self._clip_rows, self._planned),
            self._clip_rows,
            "dropped in stage decode, but not planned",
            faults,
        )
        still = np.isin(self._clips_taken_down, self._planned)
        self._each(still, self._clips_taken_down, "taken down, but it is in the plan", faults)

    def _check_video_rows(self, faults: FaultList) -> None:
        rows = self._video_rows
        name: Callable[[str], str] = lambda video: f"video {short(video)}"  # noqa: E731
        self._each(_repeated(rows), rows, "dropped twice", faults, name)
        self._each(np.isin(rows, self._videos), rows, "dropped, but it has samples", faults, name)
        still = np.isin(self._taken_down, self._plan_videos)
        self._each(still, self._taken_down, "taken down, but it is in the plan", faults, name)
        gone = ~np.isin(self._plan_videos, self._videos) & ~np.isin(self._plan_videos, rows)
        rows_gone = _first_of_each(self._plan_videos, gone)
        faults.add_each(rows_gone, "planned and without a sample, but has no video row", self._plan_rows.video)

    def _each(
        self,
        which: npt.NDArray[Any],
        marks: Hashes,
        what: str,
        faults: FaultList,
        name: Callable[[str], str] = lambda subject: subject,
    ) -> None:
        faults.add_each(np.unique(marks[which]).tolist(), what, lambda mark: name(self._names[mark]))

    def _check_sentence_rows(self, faults: FaultList) -> None:
        """Check that each long clip dropped in decoding has a ledger row for each of its sentences."""
        found: Counter[int] = sum((part.sentences for part in self._ledger), Counter())
        wanted: Counter[int] = Counter()
        lost = np.isin(self._planned, self._clip_rows)
        for video, size in zip(self._plan_videos[lost].tolist(), self._sizes[lost].tolist(), strict=True):
            wanted[video] += size
        wrong = sorted(video for video in set(found) | set(wanted) if found[video] != wanted[video])
        for video in wrong[:_EXPLAINED]:
            rows = np.flatnonzero(self._plan_videos == video)
            what = f"{found[video]:,} sentence rows of stage decode; its dropped long clips have {wanted[video]:,} sentences"
            faults.add(what, self._plan_rows.video(int(rows[0])) if len(rows) else "a video that is not planned")
        faults.omitted += len(wrong[_EXPLAINED:])

    def _check_groups(self, manifest: CorpusManifest, groups: int, faults: FaultList) -> None:
        """Check that each published group became a long clip, or has one ledger row."""
        rows: Counter[str] = sum((part.groups for part in self._ledger), Counter())
        faults.add_each(
            sorted(name for name, n in rows.items() if n > 1), "has several rows", lambda name: f"group {short(name)}"
        )
        used = manifest.counts["clips"].total if "clips" in manifest.counts else 0
        if used + len(rows) != groups:
            faults.add(
                f"{groups:,} published groups; {used:,} became long clips and {len(rows):,} have a row of their own"
            )


def _repeated(values: Hashes) -> npt.NDArray[np.int64]:
    """The indices of values that occurred before."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    again: npt.NDArray[np.int64] = np.sort(order[1:][ordered[1:] == ordered[:-1]])
    return again


def _first_of_each(values: Hashes, which: npt.NDArray[np.bool_]) -> list[int]:
    rows = np.flatnonzero(which)
    _, first = np.unique(values[rows], return_index=True)
    return sorted(rows[first].tolist())
