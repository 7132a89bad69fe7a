"""Verify: check that the plan, the index, the shards, the ledger and corpus.json of a finished corpus agree.

Nothing is trusted: each table and corpus.json is compared with another file. Needs no Beam, and works on any storage that can
hold a corpus.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from longtake.pipeline.corpus.faults import Fault, FaultList
from longtake.pipeline.run.slots import cores
from longtake.pipeline.verify.accounts import Accounts
from longtake.pipeline.verify.manifest import ListedShards, check_files, check_manifest
from longtake.pipeline.verify.shard import ShardResult, ShardTask, check_drawn, check_shard
from longtake.pipeline.verify.tables import LedgerFacts, PlanFacts, ledger_facts, plan_facts, published_groups
from longtake.schemas import storage
from longtake.schemas.children import SPAWN, attend, lifeline
from longtake.schemas.layout import Layout

__all__ = ["Fault", "Report", "verify"]

_BYTES_PER_PROCESS = 32 << 20  # of shards
Progress = Callable[[int, int], None]  # (pieces of work done, all pieces)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of the checks. `number` counts all faults; `faults` has only the first few of each file.

    `compared` says whether all tables could be read, and so be compared. `drawn` is the number of samples read, None for all.
    """

    name: str
    shards: int
    samples: int
    frames: int
    faults: tuple[Fault, ...]
    number: int
    compared: bool
    drawn: int | None


def verify(
    root: str,
    sample: int | None = None,
    seed: int = 0,
    workers: int = 0,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Check a finished corpus: plan, index, shards, ledger and corpus.json against each other.

    Args:
        root: its folder or URI.
        sample: read the contents of this many samples only; None: of all.
        seed: chooses these samples.
        workers: processes that share the work; 0: one for each core.
        progress: called with the numbers of finished pieces of work and of all pieces.

    Returns:
        The faults, and what was checked.

    Raises:
        CorpusError: there is no finished corpus.
    """
    layout, of_manifest = Layout(root), FaultList("corpus.json")
    listed = check_manifest(layout, of_manifest)
    if listed is None:
        return _report(None, [of_manifest], False, sample)
    of_summary = FaultList("plan/_plan.json")
    faults = [of_manifest, of_summary, *check_files(layout, listed)]
    processes = _processes(workers or cores(), listed)
    shards, plan, ledger = _read(root, listed, sample, seed, processes, progress, faults)
    compared = not any(of_file.unreadable for of_file in faults)
    if compared:
        facts = [result.facts for result in shards]
        accounts = Accounts(layout, listed.shards, facts, plan, ledger)
        faults += accounts.check(listed.manifest, published_groups(layout, of_summary))
    drawn = _draw(root, listed, shards, sample, processes, faults) if sample and compared else 0
    return _report(listed, faults, compared, None if sample is None else drawn)


def _processes(workers: int, listed: ListedShards) -> int:
    """How many processes share the work; 0: this one does it. Starting one takes as long as checking a small corpus."""
    size = sum(shard.bytes for shard in listed.manifest.shards)
    return 0 if workers == 1 else min(workers, 1 + size // _BYTES_PER_PROCESS)


def _report(listed: ListedShards | None, faults: Iterable[FaultList], compared: bool, drawn: int | None) -> Report:
    faults = list(faults)
    shards = listed.manifest.shards if listed else ()
    return Report(
        name=listed.manifest.name if listed else "",
        shards=len(shards),
        samples=sum(shard.samples for shard in shards),
        frames=sum(shard.frames for shard in shards),
        faults=tuple(line for of_file in faults for line in of_file.lines()),
        number=sum(of_file.number for of_file in faults),
        compared=compared,
        drawn=drawn,
    )


def _read(
    root: str,
    listed: ListedShards,
    sample: int | None,
    seed: int,
    processes: int,
    progress: Progress,
    faults: list[FaultList],
) -> tuple[list[ShardResult], list[PlanFacts], list[LedgerFacts]]:
    """Read every file of the corpus once. Add faults in the order of the files."""
    layout = Layout(root)
    tasks = [ShardTask(root, shard, listed.frames, sample, seed) for shard in listed.shards]
    jobs = [_Job(f"shards/{task.shard.name}", check_shard, (task,)) for task in tasks]
    for folder, read in (("plan", plan_facts), ("ledger", ledger_facts)):
        paths = storage.list_files(layout.path(folder), ".parquet")
        jobs += [_Job(f"{folder}/{path.rpartition('/')[2]}", read, (path,)) for path in paths]
    shards: list[ShardResult] = []
    plan: list[PlanFacts] = []
    ledger: list[LedgerFacts] = []
    for result in _run(jobs, processes, progress):
        match result:
            case ShardResult():
                shards.append(result)
                faults += result.faults
            case PlanFacts():
                plan.append(result)
                faults.append(result.faults)
            case LedgerFacts():
                ledger.append(result)
                faults.append(result.faults)
            case FaultList():
                faults.append(result)
    if not plan:
        missing = FaultList("plan")
        missing.cannot_read("missing")
        faults.append(missing)
    return shards, plan, ledger


def _draw(
    root: str,
    listed: ListedShards,
    results: Sequence[ShardResult],
    sample: int,
    processes: int,
    faults: list[FaultList],
) -> int:
    """Read the `sample` samples whose keys come first in the hash order of the seed. Return how many were read."""
    ranked = ((rank, key, shard) for shard, result in enumerate(results) for rank, key in result.facts.drawn)
    chosen: dict[int, set[str]] = {}
    for _, key, shard in heapq.nsmallest(sample, ranked):
        chosen.setdefault(shard, set()).add(key)
    drawn = [(listed.shards[number], keys) for number, keys in sorted(chosen.items())]
    jobs = [_Job(f"shards/{shard.name}", check_drawn, (root, shard, keys)) for shard, keys in drawn]
    faults += _run(jobs, processes, lambda done, total: None)
    return sum(map(len, chosen.values()))


@dataclass(frozen=True, slots=True)
class _Job:
    where: str
    work: Callable[..., Any]
    arguments: tuple[Any, ...]


def _run(jobs: Sequence[_Job], processes: int, progress: Progress) -> Iterator[Any]:
    """Yield the results in the order of the jobs, or a FaultList if the job's process died, as native libraries can cause."""
    if not processes or len(jobs) == 1:
        for done, job in enumerate(jobs):
            progress(done, len(jobs))
            yield job.work(*job.arguments)
        return
    with ProcessPoolExecutor(processes, SPAWN, attend, (lifeline(),)) as pool:
        pending = [pool.submit(job.work, *job.arguments) for job in jobs]
        for done, (job, future) in enumerate(zip(jobs, pending, strict=True)):
            progress(done, len(jobs))
            try:
                yield future.result()
            except BrokenProcessPool:
                died = FaultList(job.where)
                died.cannot_read("not checked: a process died, for want of memory or on a damaged file")
                yield died
