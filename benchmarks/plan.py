"""Planning speed: a million made-up sentences through `longtake plan --probe none`.

Run on an idle machine, from the root of the repository:

    python benchmarks/plan.py                      1,000,000 sentences
    python benchmarks/plan.py --videos 5000        100,000
    python benchmarks/plan.py --videos 5000 --profile
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from measure import CACHE, RESULTS, Failed, Run, child, machine, machine_line, markdown, write_results
from rich.console import Console
from rich.table import Table
from synthetic import write_hdvila

_CLIPS = 20


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, nargs="*", default=[5_000, 50_000], help=f"of {_CLIPS} sentences each")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument(
        "--profile", type=int, nargs="?", const=25, help="print the top lines of a profile of the largest"
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def measure(videos: int, workers: int, profile: int | None = None) -> Run:
    """One run of the planner in a fresh process. Raises Failed, also where a sentence is not accounted for."""
    config = write_hdvila(CACHE / f"hdvila-{videos}x{_CLIPS}", videos, _CLIPS)
    shutil.rmtree(config.parent / "out", ignore_errors=True)
    job = {"command": "plan", "config": str(config), "probe": "none", "workers": workers, "beam_args": []}
    run = child("job_child.py", job | {"profile": profile})
    total, kept, dropped = run.report["counts"]["sentences"]
    if total != videos * _CLIPS or kept + dropped != total or kept < total / 2:
        raise Failed(f"{videos * _CLIPS} sentences went in, and the plan has {total} = {kept} kept + {dropped} dropped")
    return run


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
        "repeats": len(runs),
    }


def _cpu(run: Run) -> float:
    """CPU seconds of the plan, without the start of the interpreter and its imports."""
    start, end = run.report["start"], run.report["end"]
    return float(end["own_cpu"] - start["own_cpu"] + end["children_cpu"] - start["children_cpu"])


def main() -> None:
    """Measure, print, write."""
    options, console, facts = arguments(), Console(), machine()
    sizes = [100] if options.quick else sorted(options.videos)
    results = []
    for videos in sizes:
        console.print(f"planning {videos * _CLIPS:,} sentences ...")
        results.append(figures(videos, [measure(videos, options.workers) for _ in range(options.repeats)]))
    headings = ["sentences", "long clips", "CPU-s", "wall s", "sentences per CPU-s", "peak memory, MB"]
    rows = [
        [
            f"{r[k]:,}"
            for k in ("sentences", "clips", "cpu_seconds", "wall_seconds", "sentences_per_cpu_second", "peak_rss_mb")
        ]
        for r in results
    ]
    table = Table(*headings, title="longtake plan --probe none", title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(machine_line(facts), style="dim")
    path = write_results("plan", options.results, facts, {"workers": options.workers, "runs": results})
    path.with_suffix(".md").write_text(markdown(headings, rows))
    console.print(f"{path} and .md written")
    if options.profile:
        console.print(f"\nProfile of {sizes[-1] * _CLIPS:,} sentences (slower than unprofiled; all threads, CPU time):")
        print(measure(sizes[-1], options.workers, options.profile).report["profile"])


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
