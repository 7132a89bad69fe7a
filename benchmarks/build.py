"""The whole job: throughput, where the CPU time goes, and memory as the corpus grows.

Run on an idle machine, from the root of the repository:

    python benchmarks/build.py                  all parts
    python benchmarks/build.py --only small     small jobs, beside a script of 60 lines; exit code 1 where a target is missed
    python benchmarks/build.py --only shares    throughput and shares
    python benchmarks/build.py --only memory    peak memory at 10, 100 and 1000 videos
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from material import DATA, duration_ms
from measure import CACHE, RESULTS, Failed, Run, child, machine, machine_line, markdown, write_results
from rich.console import Console
from rich.table import Table
from small_jobs import missed, show, small_jobs
from synthetic import write_copies

#: A mix by codec, size and frame rate, of videos that hold four sentences of 13.4 s.
_MIX = (
    "video2dataset.test_video.mp4", "one-by-one-person-detection.mp4", "PolarMammals.mp4", "PolarMammals.webm",
    "Mammals.mp4", "Free_Body_Diagrams.webm", "communiquer-lors-dune-classe-transplantee.mp4",
)  # fmt: skip
_SENTENCE_MS = 13_400
_SHORT = "transcribe-anything.video.mp4"  # 10 s of 852x480
_SHORT_SENTENCE_MS = 2_500
_OVERHEAD_LIMIT = 0.15
_FLAT = 1.2
_USEFUL = ("decode", "scale", "encode")
_PHASES = (
    "decode", "scale", "encode", "index (open, packet table)", "rest of decode_frames", "fragment write",
    "slot start-up", "slots: exchange and idle", "plan (with its probes)", "decode tasks: plan rows", "pack: plan rows",
    "pack: tar and index", "seal", "Beam and the rest",
)  # fmt: skip


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("small", "shares", "memory"))
    parser.add_argument("--copies", type=int, default=70, help="videos of the throughput run, the mix in turn")
    parser.add_argument("--videos", type=int, nargs="*", default=[10, 100, 1000], help="sizes of the memory runs")
    parser.add_argument("--repeats", type=int, default=3, help="of each small job; the least CPU time counts")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--strict", action="store_true", help="exit code 1 where any target is missed")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def build(sources: list[Path], copies: int, sentence_ms: int, settings: dict[str, Any], workers: int) -> Run:
    """One build in a fresh process. Raises Failed, also where anything was dropped."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="build-", dir=CACHE))
    try:
        timed = [(path, duration_ms(path)) for path in sources]
        config = write_copies(folder, timed, copies, sentence_ms, settings)
        run = child("job_child.py", {"command": "build", "config": str(config), "probe": "header", "workers": workers})
    finally:
        shutil.rmtree(folder)
    counts = run.report["counts"]
    expected = sum(ms // sentence_ms for ms in (timed[n % len(timed)][1] for n in range(copies)))
    if counts["videos"] != [copies, copies, 0] or counts["sentences"] != [expected, expected, 0]:
        raise Failed(f"{copies} videos with {expected} sentences went in; the corpus counts {counts}")
    return run


def shares(run: Run) -> dict[str, float]:
    """CPU seconds by phase; together they are all that the job and its children took."""
    report, progress, phases = run.report, run.report["progress"], run.report["phases"]
    slot = {kind: progress.get(f"seconds_{kind}", 0.0) for kind in
            ("index", "decode", "scale", "encode", "decode_other", "fragment", "slot_start")}  # fmt: skip
    start, planned, end = report["start"], report["planned"], report["end"]
    planning = planned["own_cpu"] - start["own_cpu"] + planned["children_cpu"] - start["children_cpu"]
    slots_cpu = end["children_cpu"] - planned["children_cpu"]
    own = end["own_cpu"] - planned["own_cpu"]
    return {
        "interpreter and imports": start["own_cpu"],
        "decode": slot["decode"],
        "scale": slot["scale"],
        "encode": slot["encode"],
        "index (open, packet table)": slot["index"],
        "rest of decode_frames": slot["decode_other"],
        "fragment write": slot["fragment"],
        "slot start-up": slot["slot_start"],
        "slots: exchange and idle": slots_cpu - sum(slot.values()),
        "plan (with its probes)": planning,
        **phases,
        "Beam and the rest": own - sum(phases.values()),
    }


def throughput(run: Run, copies: int) -> dict[str, Any]:
    """Figures of the throughput run. Overhead is all CPU outside decode, scale and encode."""
    seconds = shares(run)
    total = sum(seconds.values())
    useful = sum(seconds[phase] for phase in _USEFUL)
    fixed = seconds["interpreter and imports"] + seconds["slot start-up"]
    hours = run.report["progress"]["video_ms"] / 3.6e6
    return {
        "videos": copies,
        "video_hours": round(hours, 3),
        "cpu_seconds": round(total, 2),
        "wall_seconds": round(run.wall, 2),
        "video_hours_per_core_hour": round(hours * 3600 / total, 1),
        "overhead": round(1 - useful / total, 4),
        "overhead_without_start": round(1 - useful / (total - fixed), 4),
        "useful_seconds": round(useful, 3),
        "shards": run.report["shards"],
        "bytes": run.report["bytes"],
        "peak_rss_mb": round(run.peak_rss / 1e6),
        "seconds": {phase: round(value, 3) for phase, value in seconds.items()},
    }


def marginal(small: dict[str, Any], large: dict[str, Any]) -> float:
    """The overhead of each further video: what does not grow with the corpus cancels out."""
    useful = large["useful_seconds"] - small["useful_seconds"]
    return round(1 - useful / (large["cpu_seconds"] - small["cpu_seconds"]), 4)


def memory(run: Run, videos: int) -> dict[str, Any]:
    """Figures of one memory run."""
    return {
        "videos": videos,
        "wall_seconds": round(run.wall, 1),
        "peak_rss_mb": round(run.peak_rss / 1e6),
        "job_mb": round(run.report["end"]["own_peak_rss"] / 1e6),
        "largest_slot_mb": round(run.report["end"]["largest_child_peak_rss"] / 1e6),
        "processes_at_peak": {name: round(rss / 1e6) for name, rss in run.peak_processes.items()},
        "cpu_seconds": round(run.report["end"]["own_cpu"] + run.report["end"]["children_cpu"], 1),
    }


def show_shares(found: dict[str, Any], console: Console) -> str:
    """Print the shares; returns them as Markdown."""
    total = found["cpu_seconds"]
    rows = [
        [phase, f"{seconds:.2f}", f"{seconds / total:.1%}"]
        for phase, seconds in sorted(found["seconds"].items(), key=lambda item: -item[1])
    ]
    table = Table("phase", "CPU-s", "share", title=f"build of {found['videos']} videos", title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    line = (
        f"{found['video_hours']:.2f} h of video in {total:.1f} CPU-s: {found['video_hours_per_core_hour']:.0f} hours of video "
        f"per core-hour. Overhead outside decode, scale and encode: {found['overhead']:.1%} of this job, "
        f"{found['overhead_without_start']:.1%} without the start of its processes, {found['marginal_overhead']:.1%} of each "
        f"further video ({_verdict(found['marginal_overhead'] < _OVERHEAD_LIMIT)}: target under {_OVERHEAD_LIMIT:.0%})."
    )
    console.print(line, highlight=False)
    return markdown(["phase", "CPU-s", "share"], rows) + "\n" + line + "\n"


def show_memory(found: list[dict[str, Any]], console: Console) -> str:
    """Print the memory runs; returns them as Markdown."""
    headings = ["videos", "peak of all processes, MB", "job, MB", "largest slot, MB", "wall s"]
    rows = [
        [
            f"{r['videos']:,}",
            str(r["peak_rss_mb"]),
            str(r["job_mb"]),
            str(r["largest_slot_mb"]),
            f"{r['wall_seconds']:.0f}",
        ]
        for r in found
    ]
    table = Table(*headings, title="peak memory", title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    line = f"Largest over smallest: {spread(found):.2f} ({_verdict(spread(found) <= _FLAT)}: target at most {_FLAT})."
    console.print(line, highlight=False)
    return markdown(headings, rows) + "\n" + line + "\n"


def spread(found: list[dict[str, Any]]) -> float:
    """The largest peak over the smallest."""
    peaks = [r["peak_rss_mb"] for r in found]
    return float(max(peaks) / min(peaks))


def _verdict(passed: bool) -> str:
    return "pass" if passed else "FAIL"


def main() -> None:
    """Measure, print, write."""
    options, console, facts = arguments(), Console(), machine()
    results: dict[str, Any] = {"workers": options.workers}
    text, passed, behind = "", True, list[str]()
    if options.only in (None, "small"):
        console.print("building small jobs, beside the script ...")
        found = small_jobs(_MIX, options.workers, 1 if options.quick else options.repeats)
        behind, table = missed(found), show(found)
        console.print(table, markup=False, highlight=False, soft_wrap=True)
        path = write_results("small_jobs", options.results, facts, {"workers": options.workers} | found)
        path.with_suffix(".md").write_text(table)
    if options.only in (None, "shares"):
        sources = [DATA / "videos" / name for name in _MIX]
        copies = 2 * len(_MIX) if options.quick else options.copies
        runs = {}
        for number in (max(copies // 5, len(_MIX)), copies):
            console.print(f"building {number} videos ...")
            settings = {"shards": {"samples": 32}}
            runs[number] = throughput(build(sources, number, _SENTENCE_MS, settings, options.workers), number)
        small, large = runs.values()
        large["marginal_overhead"] = marginal(small, large)
        results["throughput"], results["throughput_small"] = large, small
        text += show_shares(large, console)
        passed &= large["marginal_overhead"] < _OVERHEAD_LIMIT
    if options.only in (None, "memory"):
        sizes = []
        for videos in [4, 8] if options.quick else options.videos:
            console.print(f"building {videos} short videos ...")
            settings = {"shards": {"samples": 64}}
            run = build([DATA / "videos" / _SHORT], videos, _SHORT_SENTENCE_MS, settings, options.workers)
            sizes.append(memory(run, videos))
        results["memory"] = sizes
        text += "\n" + show_memory(sizes, console)
        passed &= spread(sizes) <= _FLAT
    console.print(machine_line(facts), style="dim")
    if options.only != "small":
        path = write_results("build", options.results, facts, results)
        path.with_suffix(".md").write_text(text)
        console.print(f"{path} and .md written")
    if behind or (options.strict and not passed):
        raise Failed("; ".join(behind) or "a target is missed")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
