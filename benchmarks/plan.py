"""Planning: made-up sentences through `longtake plan --probe none`, beside polars and DuckDB.

The peers (plan_peers.py) do the same join and merge, without a ledger, trimming of overlaps, and checks. Two more tables: what
dropped sentences cost beside kept ones, and transcripts of one file for each video (the made-up ones of text.py).

Run on an idle machine, from the root of the repository:

    pip install polars duckdb
    python benchmarks/plan.py                                   100,000 and 1,000,000 sentences, by turns; about 5 minutes
    python benchmarks/plan.py --only drops transcripts
    python benchmarks/plan.py --only transcripts --before CHECKOUT --transcripts 1000    beside an earlier state, by turns
    python benchmarks/plan.py --videos 500000 --peers duckdb    10 million; the scripts need 10 GB of memory for that
    python benchmarks/plan.py --videos 5000 --profile

It exits with code 1 if a target is missed: sentences per CPU second, CPU beside polars, memory, CPU of drops beside kept ones.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from measure import CACHE, HERE, RESULTS, Failed, Run, child, machine, report
from rich.console import Console
from synthetic import write_hdvila, write_transcripts
from text import ENGLISH, FORMS, SENTENCES, talk

_CLIPS = 20
_RATE, _TIMES_POLARS = 60_000, 2.5  # sentences per CPU second; CPU beside polars, at a million sentences
_FORMS = ("vtt", "srt", "whisper")
_TRANSCRIPT_RATE = 30_000  # sentences per CPU second
_PACKAGES = ("jobs", "library", "model", "pipeline", "schemas")
_DROPS_TIMES = 1.25  # CPU of dropped sentences beside as many that are kept
_MERGES = {"kept": (1, 16), "in runs that are too short": (64, 64)}  # least and most sentences of a long clip
_MEMORY_MB = {1_000_000: 650, 10_000_000: 2000}  # up to so many sentences


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, nargs="*", default=[5_000, 50_000], help=f"of {_CLIPS} sentences each")
    parser.add_argument("--only", nargs="*", default=["sizes", "drops", "transcripts"], help="tables to make")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--peers", nargs="*", default=["polars", "duckdb"], choices=["polars", "duckdb"])
    parser.add_argument(
        "--profile", type=int, nargs="?", const=25, help="print the top lines of a profile of the largest"
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--before", type=Path, help="a checkout of an earlier state, to plan transcripts with it too")
    parser.add_argument("--transcripts", type=int, default=4_000, help=f"of {SENTENCES} sentences each")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def measure(videos: int, workers: int, profile: int | None = None) -> Run:
    """One run of the planner in a fresh process. Raises Failed, also where a sentence is not accounted for."""
    run = _planned(write_hdvila(CACHE / f"hdvila-{videos}x{_CLIPS}", videos, _CLIPS), workers, profile)
    total, kept, dropped = run.report["counts"]["sentences"]
    if total != videos * _CLIPS or kept + dropped != total or kept < total / 2:
        raise Failed(f"{videos * _CLIPS} sentences went in, and the plan has {total} = {kept} kept + {dropped} dropped")
    return run


def _planned(config: Path, workers: int, profile: int | None = None, before: Path | None = None) -> Run:
    shutil.rmtree(config.parent / "out", ignore_errors=True)
    job = {"command": "plan", "config": str(config), "probe": "none", "workers": workers, "beam_args": []}
    with TemporaryDirectory() as folder:
        if before is not None:
            links = Path(folder, "longtake")
            links.mkdir()
            for package in _PACKAGES:
                (links / package).symlink_to(before.resolve() / package)
        env = {} if before is None else {"PYTHONPATH": folder}
        return child("job_child.py", job | {"profile": profile}, env)


def measure_drops(videos: int, workers: int) -> dict[str, float]:
    """CPU seconds of plans that keep all sentences, and that drop all, for two reasons. Raises Failed."""
    config = write_hdvila(CACHE / f"hdvila-{videos}x{_CLIPS}", videos, _CLIPS)
    settings, found = yaml.safe_load(config.read_text()) | {"max_failed": 1.0}, {}
    (config.parent / "none.jsonl").write_text('{"clip_id": "of no video", "text": "two words"}\n')
    textless = {**settings["source"], "text": {"format": "hdvila", "path": "none.jsonl"}}
    cases = {name: {"merge": {"min_sentences": a, "max_sentences": b}} for name, (a, b) in _MERGES.items()}
    for name, changed in {**cases, "without text": {"source": textless}}.items():
        path = config.parent / "drops.yaml"
        path.write_text(yaml.safe_dump(settings | changed))
        run = _planned(path, workers)
        if run.report["counts"]["sentences"][1 if name == "kept" else 2] < videos * _CLIPS:
            raise Failed(f"{name}: {run.report['counts']['sentences']} of {videos * _CLIPS} sentences")
        found[name] = round(_cpu(run), 2)
    return found


def measure_transcripts(form: str, videos: int, workers: int, before: Path | None = None) -> dict[str, Any]:
    """The figures of a plan of transcripts of a form, one file for each video, by the state in `before` or by this one. Raises
    Failed where a sentence is missing."""
    format, punctuated, write = FORMS[form]
    rng = random.Random(7)
    files = (write(talk(rng, punctuated, ENGLISH)) for _ in range(videos))
    config = write_transcripts(CACHE / f"transcripts-{form}-{videos}", format, files)
    run = _planned(config, workers, before=before)
    sentences, cpu = run.report["counts"]["sentences"][0], _cpu(run)
    if sentences != videos * SENTENCES:
        raise Failed(f"{form}: {sentences} of {videos * SENTENCES} sentences")
    rate = round(sentences / cpu)
    memory = round(run.peak_rss / 1e6)
    return {"form": form, "sentences": sentences, "cpu_seconds": round(cpu, 2), "rate": rate, "peak_rss_mb": memory}


def measure_peer(name: str, videos: int) -> dict[str, Any] | None:
    """One run of a peer in a fresh process; None if its library is not installed. Raises Failed."""
    if find_spec(name) is None:
        return None
    folder = CACHE / f"hdvila-{videos}x{_CLIPS}"
    command = [sys.executable, str(HERE / "plan_peers.py"), name, str(folder), str(folder / f"{name}.parquet")]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"POLARS_MAX_THREADS": "1"})
    if ended.returncode:
        raise Failed(f"{name}: {ended.stderr.strip().splitlines()[-1] if ended.stderr.strip() else ended.returncode}")
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    if found["sentences"] != videos * _CLIPS:
        raise Failed(f"{name} joined {found['sentences']:,} of {videos * _CLIPS:,} sentences")
    return {"cpu_seconds": found["cpu"], "peak_rss_mb": found["peak_mb"]}


def missed(result: dict[str, Any]) -> list[str]:
    """The targets that a size misses."""
    found = []
    sentences, polars = result["sentences"], result["peers"].get("polars")
    if sentences >= 1_000_000:
        if result["sentences_per_cpu_second"] < _RATE:
            found.append(f"{result['sentences_per_cpu_second']:,} sentences per CPU second are below {_RATE:,}")
        if polars and result["cpu_seconds"] > _TIMES_POLARS * polars["cpu_seconds"]:
            found.append(f"{result['cpu_seconds'] / polars['cpu_seconds']:.1f} times the CPU of polars")
    limit = next((mb for most, mb in sorted(_MEMORY_MB.items()) if sentences <= most), None)
    if limit is not None and result["peak_rss_mb"] > limit:
        found.append(f"{result['peak_rss_mb']:,} MB of memory are above {limit:,}")
    return [f"{sentences:,} sentences: {one}" for one in found]


def figures(videos: int, runs: list[Run]) -> dict[str, Any]:
    """The figures of the run that took the least CPU."""
    best = min(runs, key=lambda run: _cpu(run))
    cpu = _cpu(best)
    return {
        "videos": videos,
        "sentences": videos * _CLIPS,
        "clips": best.report["counts"]["clips"][1],
        "cpu_seconds": round(cpu, 2),
        "startup_cpu_seconds": round(best.report["start"]["own_cpu"], 2),
        "wall_seconds": round(best.wall, 2),
        "sentences_per_cpu_second": round(videos * _CLIPS / cpu),
        "peak_rss_mb": round(best.peak_rss / 1e6),
        "peak_disk_mb": round(best.peak_disk / 1e6),
        "repeats": len(runs),
    }


def _cpu(run: Run) -> float:
    """CPU seconds of the plan, without the start of the interpreter and its imports."""
    start, end = run.report["start"], run.report["end"]
    return float(end["own_cpu"] - start["own_cpu"] + end["children_cpu"] - start["children_cpu"])


def table_rows(result: dict[str, Any]) -> list[list[str]]:
    """The lines of a size in the table: ours, then the peers."""
    sentences, ours = result["sentences"], result["cpu_seconds"]
    rows = []
    for name, found in {"longtake": result, **result["peers"]}.items():
        cpu = found["cpu_seconds"]
        rate, memory, disk = round(sentences / cpu), found["peak_rss_mb"], found.get("peak_disk_mb", 0)
        rows.append([f"{sentences:,}", name, f"{cpu:,}", f"{cpu / ours:.2f}", f"{rate:,}", f"{memory:,}", f"{disk:,}"])
    return rows


def main() -> None:
    """Measure, print, write."""
    options, console, facts = arguments(), Console(), machine()
    faults = []
    if "drops" in options.only:
        faults += _report_drops(measure_drops(100 if options.quick else 15_000, options.workers), options, facts)
    if "transcripts" in options.only:
        videos = 20 if options.quick else options.transcripts
        found = []
        for form in _FORMS:
            earlier = (
                {} if options.before is None else measure_transcripts(form, videos, options.workers, options.before)
            )
            found.append(measure_transcripts(form, videos, options.workers) | {"before": earlier})
        faults += _report_transcripts(found, options, facts)
    if "sizes" in options.only:
        faults += _report_sizes(options, console, facts)
    if faults:
        raise Failed("missed: " + "; ".join(faults))


def _report_drops(found: dict[str, float], options: argparse.Namespace, facts: dict[str, Any]) -> list[str]:
    kept = found["kept"]
    rows = [[name, f"{cpu:,}", f"{cpu / kept:.2f}"] for name, cpu in found.items()]
    headings = ["300,000 sentences, all of them", "CPU-s", "times kept"]
    report("plan_drops", "Sentences that are dropped", headings, rows, {"cpu_seconds": found}, options.results, facts)
    return [f"{name}: {cpu / kept:.2f} times kept" for name, cpu in found.items() if cpu > _DROPS_TIMES * kept]


def _report_transcripts(found: list[dict[str, Any]], options: argparse.Namespace, facts: dict[str, Any]) -> list[str]:
    rows = [
        [f["form"], f"{f['sentences']:,}", f"{f['cpu_seconds']:,}", f"{f['rate']:,}", f"{f['peak_rss_mb']:,}"]
        for f in found
    ]
    headings = ["transcripts", "sentences", "CPU-s", "sentences per CPU-s", "peak memory, MB"]
    if options.before is not None:
        headings += ["CPU-s before", "ratio"]
        for row, one in zip(rows, found, strict=True):
            cpu = one["before"]["cpu_seconds"]
            row += [f"{cpu:,}", f"{one['cpu_seconds'] / cpu:.2f}"]
    report("plan_transcripts", "One file for each video", headings, rows, {"runs": found}, options.results, facts)
    low = [f for f in found if f["sentences"] > 100_000 and f["rate"] < _TRANSCRIPT_RATE]
    return [f"{f['form']}: {f['rate']:,} sentences per CPU second are below {_TRANSCRIPT_RATE:,}" for f in low]


def _report_sizes(options: argparse.Namespace, console: Console, facts: dict[str, Any]) -> list[str]:
    sizes = [100] if options.quick else sorted(options.videos)
    results = []
    for videos in sizes:
        console.print(f"planning {videos * _CLIPS:,} sentences ...")
        runs: list[Run] = []
        peers: dict[str, dict[str, Any]] = {}
        for _ in range(options.repeats):
            runs.append(measure(videos, options.workers))
            for name in options.peers:
                found = measure_peer(name, videos)
                if found:
                    peers[name] = min(found, peers.get(name, found), key=lambda one: one["cpu_seconds"])
        results.append(figures(videos, runs) | {"peers": peers})
    headings = ["sentences", "", "CPU-s", "times ours", "sentences per CPU-s", "peak memory, MB", "scratch, MB"]
    rows = [row for result in results for row in table_rows(result)]
    report(
        "plan",
        "longtake plan --probe none",
        headings,
        rows,
        {"workers": options.workers, "runs": results},
        options.results,
        facts,
    )
    if options.profile:
        console.print(f"\nProfile of {sizes[-1] * _CLIPS:,} sentences (slower than unprofiled; all threads, CPU time):")
        print(measure(sizes[-1], options.workers, options.profile).report["profile"])
    return [fault for result in results for fault in missed(result)]


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
