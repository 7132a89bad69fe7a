"""The state of a job, read from the files of its output alone. The job may be running or dead, here or elsewhere. Nothing is
written.

Files come and go while a build runs. A file that vanishes before it is read counts as missing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pyarrow as pa

from longtake.pipeline.fragments.fragment import MARKER_SUFFIX
from longtake.pipeline.fragments.tasks import FAILURE_SUFFIX, ListedTask, read_failure, read_tasks, tasks_folder
from longtake.pipeline.plan.summary import SUMMARY_FILE, PlanSummary, read_summary
from longtake.pipeline.run.note import NOTE, JobNote, read_note
from longtake.schemas import storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import LEASE_PREFIX, LEASE_S, Layout
from longtake.schemas.manifest import CorpusManifest, read_manifest, unfinished
from longtake.schemas.storage import Entry

T = TypeVar("T")
R = TypeVar("R")

#: The states of an output, in order of time.
STAGES = ("empty", "planning", "planned", "decoding", "packing", "sealing", "sealed")
_READERS = 16
_BUILD_LEDGER = "part-build-"


@dataclass(frozen=True)
class DecodeProgress:
    """Numbers of decode tasks (one for a source video, or for ten minutes of a long one) and of their source videos."""

    tasks: int
    tasks_done: int
    tasks_failed: int
    clips: int
    clips_done: int
    videos: int
    videos_done: int  # all of their tasks are done
    videos_failed: int  # all of their tasks are done or failed, at least one failed
    bytes: int  # of the fragments
    rate: float | None  # tasks per second since this run began to decode; None before the first task ends
    left_s: float | None  # at this rate; None if nothing seems to run


@dataclass(frozen=True)
class JobStatus:
    """The state of the output folder `output`, from its files. Times are in seconds since 1970."""

    output: str
    stage: str  # one of STAGES
    running: bool | None  # None if unknown: storage without locks, or a job left to a runner
    note: JobNote | None
    last_sign: float | None  # when the newest file was written
    now: float
    plan: PlanSummary | None
    decoding: DecodeProgress | None
    shards: dict[str, int]  # name of each complete shard -> its bytes
    planned_shards: dict[str, int]  # by split
    failed: dict[str, dict[str, int]]  # videos by step ("plan", "decode") and reason
    manifest: CorpusManifest | None
    faults: tuple[str, ...]  # of a sealed corpus, as far as a listing shows
    videos: dict[str, str] = field(default_factory=dict)  # if asked for: id -> "to do", "done" or "failed: REASON"

    def to_json(self) -> dict[str, Any]:
        """The status as a dictionary, documented in docs/operations.md."""
        whole: dict[str, Any] = {
            "output": self.output,
            "stage": self.stage,
            "running": self.running,
            "job": None if self.note is None else {n: getattr(self.note, n) for n in self.note.__slots__},
            "last_sign": self.last_sign,
            "last_sign_age_s": None if self.last_sign is None else round(max(self.now - self.last_sign, 0), 1),
            "plan": None,
            "decoding": None if self.decoding is None else dict(vars(self.decoding)),
            "shards": self.shards,
            "planned_shards": self.planned_shards,
            "failed_videos": self.failed,
            "sealed": None,
            "faults": list(self.faults),
        }
        if self.plan is not None:
            counts = {name: count.kept for name, count in self.plan.counts.items()}
            whole["plan"] = counts | {"hours": self.plan.hours["out"], "edited": self.plan.edited is not None}
        if self.manifest is not None:
            final = {name: count.to_json() for name, count in self.manifest.counts.items()}
            whole["sealed"] = {"name": self.manifest.name, "version": self.manifest.version, "counts": final}
        return whole | ({"videos": self.videos} if self.videos else {})


@dataclass(frozen=True)
class _Staged:
    """The files in staging: markers, notes of failure, and payloads."""

    markers: dict[str, Entry]  # by digest
    failures: dict[str, Entry]
    entries: list[Entry]


def read_status(output: str, list_videos: bool = False, now: float | None = None) -> JobStatus:
    """The status of `output`, a folder or a URI. Raises OSError, and CorpusError if `output` was not written by Longtake."""
    layout, now = Layout(output), storage.now(output) if now is None else now
    note = read_note(layout)  # read first, so that newer files belong to this job
    _check_ours(layout)
    manifest = read_manifest(layout)
    plan = read_summary(layout.plan)
    lists = storage.list_entries(tasks_folder(layout))
    tasks = [task for found in _each(_tasks_in, lists) for task in found]
    staged = _staged(layout)
    shard_files, index_files = storage.list_entries(layout.shards), storage.list_entries(layout.index)
    ledger, plan_files = storage.list_entries(layout.ledger), storage.list_entries(layout.plan)
    shards = {e.name: e.size for e in shard_files if e.name.endswith(".tar") and not e.is_temporary}
    since = min([e.modified for e in lists if e.modified is not None], default=0.0)  # each build writes its lists anew
    failures = _failures(tasks, staged, since)
    stage = _stage(layout, manifest, plan, bool(plan_files), tasks, staged, failures, shards)
    running = _running(layout, note, now)
    reasons: dict[str, dict[str, int]] = {}
    if manifest is None and plan is not None:
        reasons["plan"] = _planned_failures(plan)
    if manifest is None and failures:
        reasons["decode"] = dict(sorted(Counter(_failed_videos(tasks, failures).values()).items()))
    elif manifest is not None:
        reasons = _ledger_failures(ledger)
    seen = [*plan_files, *ledger, *lists, *staged.entries, *shard_files, *index_files]
    seen += [e for e in storage.list_entries(layout.root) if e.name in ("corpus.json", "README.md")]
    noted = [e for e in storage.list_entries(layout.staging) if e.name == NOTE]
    if note is not None and note.told is not None and noted:
        note = replace(note, told=noted[0].modified)  # what it says itself is by the launcher's clock
    seen += noted
    signs = [e.modified for e in seen if e.modified is not None]
    decoding = _decoding(tasks, staged, failures, lists, since, now, stage == "decoding" and running is not False)
    return JobStatus(
        output=output,
        stage=stage,
        running=running,
        note=note,
        last_sign=max(signs, default=None),
        now=now,
        plan=plan,
        decoding=decoding if tasks and manifest is None else None,
        shards=shards,
        planned_shards={split: found["shards"] for split, found in plan.splits.items()} if plan else {},
        failed={step: found for step, found in reasons.items() if found},
        manifest=manifest,
        faults=_faults(manifest, shards, {e.name for e in index_files}),
        videos=_videos(tasks, staged, failures) if list_videos and manifest is None else {},
    )


def _check_ours(layout: Layout) -> None:
    """Raise CorpusError unless `layout` is an output of Longtake, or an empty folder that may become one."""
    known = ("corpus.json", f"plan/{SUMMARY_FILE}", "staging/lock", "staging/job.json", "staging/inputs.json")
    if any(storage.exists(layout.path(name)) for name in known) or _leases(layout):
        return
    files, folders = storage.list_entries(layout.root), storage.list_folders(layout.root)
    if files or folders:
        raise CorpusError(f"{layout.root}: not an output of Longtake: it holds no corpus, plan or staging folder")
    if not storage.exists(layout.root):
        raise unfinished(layout.root)


def _each(work: Callable[[T], R], items: Sequence[T]) -> Iterable[R]:
    """Run `work` on all items, several at once, because most of the time is spent waiting for storage."""
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(work, items))


def _tasks_in(entry: Entry) -> list[ListedTask]:
    if entry.is_temporary or not entry.name.endswith(".parquet"):
        return []
    try:
        return read_tasks(entry.path)
    except (OSError, pa.ArrowException, KeyError):
        return []


def _staged(layout: Layout) -> _Staged:
    folders = [f"{n:02x}" for n in range(256)]
    if not storage.is_remote(layout.root):
        there = {folder.rsplit("/", 1)[-1] for folder in storage.list_folders(layout.staging)}
        folders = [folder for folder in folders if folder in there]
    listed = _each(lambda name: storage.list_entries(storage.join(layout.staging, name)), folders)
    entries = [entry for found in listed for entry in found]
    kinds: dict[str, dict[str, Entry]] = {MARKER_SUFFIX: {}, FAILURE_SUFFIX: {}}
    for entry in entries:
        for suffix, kind in kinds.items():
            if entry.name.endswith(suffix) and not entry.is_temporary:
                kind[entry.name.removesuffix(suffix)] = entry
    return _Staged(kinds[MARKER_SUFFIX], kinds[FAILURE_SUFFIX], entries)


def _failures(tasks: list[ListedTask], staged: _Staged, since: float) -> dict[str, str]:
    """The digests and reasons of the tasks that failed since then. Tasks that failed in an earlier run are tried again."""
    listed = {task.digest for task in tasks}
    found = [
        (digest, entry)
        for digest, entry in staged.failures.items()
        if digest in listed and digest not in staged.markers and (entry.modified is None or entry.modified >= since)
    ]
    reasons = _each(lambda item: read_failure(item[1].path), found)
    return {digest: reason.value for (digest, _), reason in zip(found, reasons, strict=True) if reason is not None}


def _failed_videos(tasks: list[ListedTask], failures: dict[str, str]) -> dict[str, str]:
    """The reason of each source video with a failed task, by video id."""
    return {task.video_id: failures[task.digest] for task in reversed(tasks) if task.digest in failures}


def _stage(
    layout: Layout,
    manifest: CorpusManifest | None,
    plan: PlanSummary | None,
    plan_begun: bool,
    tasks: list[ListedTask],
    staged: _Staged,
    failures: dict[str, str],
    shards: dict[str, int],
) -> str:
    if manifest is not None:
        return "sealed"
    if plan is None:
        return "planning" if plan_begun or storage.exists(storage.join(layout.staging, "inputs.json")) else "empty"
    if not tasks:
        return "planned"
    if not shards and any(task.digest not in staged.markers and task.digest not in failures for task in tasks):
        return "decoding"
    return "sealing" if storage.exists(layout.card) and len(shards) else "packing"


def _leases(layout: Layout) -> list[Entry]:
    """The locks of an output on an object store."""
    entries = storage.list_entries(layout.staging) if storage.is_remote(layout.root) else []
    return [entry for entry in entries if entry.name.startswith(LEASE_PREFIX)]


def _running(layout: Layout, note: JobNote | None, now: float) -> bool | None:
    if not storage.is_remote(layout.root) and storage.lock_is_held(storage.join(layout.staging, "lock")):
        return True
    renewed = [entry.modified for entry in _leases(layout) if entry.modified is not None]
    if renewed:
        return now - max(renewed) < LEASE_S
    if note is not None and note.ended is not None and not note.left_to_runner:
        return False
    if storage.is_remote(layout.root):
        return None
    return None if note is not None and note.left_to_runner else False


def _decoding(
    tasks: list[ListedTask],
    staged: _Staged,
    failures: dict[str, str],
    lists: list[Entry],
    since: float,
    now: float,
    goes_on: bool,
) -> DecodeProgress:
    done = [task for task in tasks if task.digest in staged.markers]
    open_videos = {t.video_id for t in tasks if t.digest not in staged.markers and t.digest not in failures}
    failed_videos = _failed_videos(tasks, failures).keys() - open_videos
    videos = {task.video_id for task in tasks}
    begun = max([e.modified for e in lists if e.modified is not None], default=None)
    begun = min(begun, now) if begun is not None else None
    fresh = [
        entry.modified
        for task in tasks
        if (entry := staged.markers.get(task.digest) or staged.failures.get(task.digest)) is not None
        and entry.modified is not None
        and entry.modified >= since
    ]
    rate = None
    if begun is not None and fresh:
        until = now if goes_on else max(fresh)
        rate = len(fresh) / max(until - begun, 0.1)
    left = len(tasks) - len(done) - len(failures)
    payloads = {entry.name.partition(".")[0]: entry.size for entry in staged.entries if entry.name.endswith(".frag")}
    return DecodeProgress(
        tasks=len(tasks),
        tasks_done=len(done),
        tasks_failed=len(failures),
        clips=sum(task.clips for task in tasks),
        clips_done=sum(task.clips for task in done),
        videos=len(videos),
        videos_done=len(videos - open_videos - failed_videos),
        videos_failed=len(failed_videos),
        bytes=sum(payloads.get(task.digest, 0) for task in done),
        rate=rate,
        left_s=left / rate if rate and left and goes_on else None,
    )


def _videos(tasks: list[ListedTask], staged: _Staged, failures: dict[str, str]) -> dict[str, str]:
    states: dict[str, list[str]] = {}
    for task in tasks:
        state = "done" if task.digest in staged.markers else "to do"
        states.setdefault(task.video_id, []).append(
            f"failed: {failures[task.digest]}" if task.digest in failures else state
        )
    return {
        video_id: max(found, key=lambda s: (s != "done", s == "to do")) for video_id, found in sorted(states.items())
    }


def _planned_failures(plan: PlanSummary) -> dict[str, int]:
    """The number of source videos that planning dropped, by reason."""
    rows: Counter[str] = Counter()
    for key, number in plan.drops.items():
        subject, _, reason = key.split()
        if subject == "video":
            rows[reason] += number
    return dict(sorted(rows.items()))


def _ledger_failures(ledger: list[Entry]) -> dict[str, dict[str, int]]:
    """The number of source videos in the ledger, by step and reason."""
    out: dict[str, Counter[str]] = {"plan": Counter(), "decode": Counter()}
    for entry in ledger:
        if entry.is_temporary or not entry.name.endswith(".parquet"):
            continue
        step = "decode" if entry.name.startswith(_BUILD_LEDGER) else "plan"
        try:
            table = storage.read_parquet(entry.path, columns=["reason"], filters=[("subject", "=", "video")])
        except (OSError, pa.ArrowException):
            continue
        out[step].update(table["reason"].to_pylist())
    return {step: dict(sorted(found.items())) for step, found in out.items()}


def _faults(manifest: CorpusManifest | None, shards: dict[str, int], indexes: set[str]) -> tuple[str, ...]:
    """The faults of a sealed corpus that a file listing shows. `longtake verify` looks inside the files."""
    if manifest is None:
        return ()
    found = []
    for record in manifest.shards:
        if record.name not in shards:
            found.append(f"{record.name}: missing")
        elif shards[record.name] != record.bytes:
            found.append(f"{record.name}: {shards[record.name]:,} bytes, not {record.bytes:,}")
        if f"{record.name.removesuffix('.tar')}.parquet" not in indexes:
            found.append(f"{record.name}: its index is missing")
    return tuple(found)
