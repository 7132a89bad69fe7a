"""Runs one `plan` or `build`, or takes over an edited plan, in this fresh process and reports where its CPU time went. Started by
plan.py, plan_kinds.py and build.py.

The job's own code runs; some of its functions are wrapped to read the CPU clock before and after (see `_watch_build`).
"""

import time

_PROCESS_START = time.process_time()

import cProfile  # noqa: E402
import io  # noqa: E402
import json  # noqa: E402
import pstats  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable  # noqa: E402
from contextlib import suppress  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

_PHASES: Counter[str] = Counter()
_LOCK = threading.Lock()


def _usage() -> dict[str, float]:
    """CPU seconds and peak memory so far of this process and of its children that have ended."""
    from longtake.schemas.children import end_forks

    end_forks()
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "own_cpu": own.ru_utime + own.ru_stime,
        "children_cpu": children.ru_utime + children.ru_stime,
        "own_peak_rss": own.ru_maxrss * 1024,
        "largest_child_peak_rss": children.ru_maxrss * 1024,
    }


def timed(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`function` with the CPU time of its thread added to a phase."""
    start = time.thread_time()
    try:
        return function(*args, **kwargs)
    finally:
        with _LOCK:
            _PHASES[name] += time.thread_time() - start


def _watch_build() -> None:
    import slot_work

    from longtake.pipeline.build import graph as build_graph, seal
    from longtake.pipeline.run import metrics as step_metrics

    step_metrics.measure = lambda *_, **__: None  # it knows no phases but the build's own
    build_graph.decode_source = slot_work.decode_source
    read_rows = build_graph.clips_of_shard
    build_graph.clips_of_shard = partial(timed, "pack: plan rows", read_rows)
    build_graph.clips_of = partial(timed, "decode tasks: plan rows", build_graph.clips_of)
    build_graph.pack = partial(timed, "pack: tar and index", build_graph.pack)
    seal.seal = partial(timed, "seal", seal.seal)


def _request(job: dict[str, Any]) -> Any:
    from longtake.jobs.build.request import BuildRequest, ProbeMode
    from longtake.pipeline.filters.rejects import Rejects
    from longtake.schemas.config import load_config

    rejects = Rejects(**json.loads(Path(job["rejects"]).read_text())) if "rejects" in job else None
    config, probe, beam_args = load_config(job["config"]), ProbeMode(job["probe"]), job.get("beam_args", ())
    return BuildRequest(config, probe, job["workers"], beam_args, rejects)


def _plan(job: dict[str, Any]) -> dict[str, Any]:
    from rich.console import Console

    from longtake.jobs.build.plan import make_plan
    from longtake.pipeline.run.progress import PROGRESS

    start = _usage()
    summary = make_plan(_request(job), Console())
    counts = {name: [count.total, count.kept, count.dropped] for name, count in summary.counts.items()}
    return {"start": start, "end": _usage(), "counts": counts, "progress": dict(PROGRESS.read())}


def _adopt(job: dict[str, Any]) -> dict[str, Any]:
    from longtake.pipeline.plan.edit.plan import adopt_plan

    request = _request(job)
    start = _usage()
    summary = adopt_plan(request.config, request.layout, job["edited"], request.options())
    counts = {name: [count.total, count.kept, count.dropped] for name, count in summary.counts.items()}
    return {"start": start, "end": _usage(), "counts": counts}


def _build(job: dict[str, Any]) -> dict[str, Any]:
    from rich.console import Console

    from longtake.jobs.build.build import build_corpus
    from longtake.jobs.build.plan import make_plan
    from longtake.pipeline.run.progress import PROGRESS

    _watch_build()
    request, console = _request(job), Console()
    start = _usage()
    make_plan(request, console)  # build_corpus would do it: here it is measured by itself
    planned = _usage()
    manifest = build_corpus(request, console)
    counts = {name: [count.total, count.kept, count.dropped] for name, count in manifest.counts.items()}
    return {
        "start": start,
        "planned": planned,
        "end": _usage(),
        "counts": counts,
        "progress": dict(PROGRESS.read()),
        "phases": dict(_PHASES),
        "shards": len(manifest.shards),
        "bytes": sum(shard.bytes for shard in manifest.shards),
    }


class _ThreadProfiles:
    """A cProfile in every thread, on the thread's own CPU clock, so that waiting does not count."""

    def __init__(self) -> None:
        self._profiles: list[cProfile.Profile] = []
        bootstrap = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

        def profiled(thread: threading.Thread) -> None:
            profile = self._new()
            profile.enable()
            try:
                bootstrap(thread)
            finally:
                with suppress(ValueError):
                    profile.disable()

        threading.Thread._bootstrap_inner = profiled  # type: ignore[attr-defined]
        self._new().enable()

    def _new(self) -> cProfile.Profile:
        profile = cProfile.Profile(time.thread_time)
        self._profiles.append(profile)
        return profile

    def text(self, lines: int) -> str:
        stream = io.StringIO()
        stats = pstats.Stats(stream=stream)
        for profile in self._profiles:
            with suppress(TypeError):  # a thread without any call
                stats.add(profile)
        stats.strip_dirs()
        for order in ("tottime", "cumulative"):
            stats.sort_stats(order).print_stats(lines)
        return stream.getvalue()


def main(job_file: str, report_file: str) -> None:
    """Do the job and write the report."""
    from longtake.schemas.garbage import collect_seldom

    collect_seldom()  # as the command line does
    job = json.loads(Path(job_file).read_text())
    profiles = _ThreadProfiles() if job.get("profile") else None
    report = {"plan": _plan, "adopt": _adopt, "build": _build}[job["command"]](job)
    if profiles:
        report["profile"] = profiles.text(job["profile"])
    Path(report_file).write_text(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
