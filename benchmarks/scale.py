"""Where the job stops scaling: 1 and 2 workers measured, 10 to 1000 simulated, and what a long video or a slow worker costs.

Run on an idle machine, from the root of the repository:

    python benchmarks/scale.py                  everything; about 5 minutes
    python benchmarks/scale.py --only simulate  no build is run; seconds

The simulation is a discrete-event model. Its costs are those that pipeline/plan/estimate.py and the results of build.py hold; its
videos are as long as those of HD-VILA: shot2story's sample of it says where a clip ends in its video, and a video lasts twice as
long as that on average, if clips lie anywhere (mean 414 s; the data set's is 405 s).
"""

import argparse
import ast
import csv
import heapq
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from build import _MIX, _SENTENCE_MS, build
from material import DATA
from measure import RESULTS, Failed, machine, machine_line, markdown, write_results
from rich.console import Console
from rich.table import Table

from longtake.pipeline.fragments.plan_table import _TASK_MS
from longtake.pipeline.plan.estimate import estimate
from longtake.schemas.config import Frames
from longtake.schemas.records import LongClip, Sentence, SourceVideo

_LENGTHS = DATA / "metadata" / "shot2story.20k_meta.first-two-thirds.csv"
_WORKERS = (1, 2, 10, 100, 1000)
_VIDEOS = 100_000
_SPEECH = 0.7  # share of a video that is in long clips
_SHARD_SAMPLES = 256
_CLIP_S = 100  # of a long clip, as in LF-VILA-8M
_START_S = 90  # until a cloud's worker, which is a new machine, takes its first element
_STANDING_S = 5  # and a new process on a machine that stands ready; two jobs on hosts took 9 s longer (docs/cloud.md)
_SLOW = 0.25  # speed of the slow worker


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("measure", "simulate"))
    parser.add_argument("--videos", type=int, default=_VIDEOS, help="of the simulated job")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


# -- measured ----------------------------------------------------------------------------------------------------------


def measured(copies: int) -> list[dict[str, Any]]:
    """The same build with 1 and with 2 workers, each in a fresh process."""
    sources = [DATA / "videos" / name for name in _MIX]
    found = []
    for workers in (1, 2):
        run = build(sources, copies, _SENTENCE_MS, {}, workers)
        end = run.report["end"]
        cpu = end["own_cpu"] + end["children_cpu"]
        found.append({"workers": workers, "videos": copies, "wall_seconds": run.wall, "cpu_seconds": cpu})
    return found


# -- simulated ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """Seconds of one core: decoding a second of video, each task, each long clip in packing; sealing each shard, at one place."""

    decode: float
    task: float
    pack: float
    seal: float


def costs(results: Path) -> Costs:
    """From the estimate's constants (720p, 30 fps, H.264) and the phases of build.py's throughput run."""
    clip = _clip(100, 8)
    ms = clip.end_ms - clip.start_ms
    decode = estimate([clip], None, None, Frames()).cpu_ms / ms
    run = json.loads((results / "build.json").read_text())["results"]["throughput"]
    seconds, videos = run["seconds"], run["videos"]
    per_task = ("fragment write", "index (open, packet table)", "decode tasks: plan rows", "slots: exchange and idle")
    task = (sum(seconds[phase] for phase in per_task) + seconds["Beam and the rest"]) / videos
    samples = videos * 1.4  # of four to eight sentences
    pack = (seconds["pack: tar and index"] + seconds["pack: plan rows"]) / samples
    return Costs(decode, task, pack, seconds["seal"] / run["shards"])


def lengths(n: int, rng: random.Random) -> list[float]:
    """Seconds that `n` videos last, drawn from the real ones."""
    ends: dict[str, float] = {}
    with open(_LENGTHS, newline="") as stream:
        for row in csv.DictReader(stream):
            hours, minutes, seconds = ast.literal_eval(row["duration"])[1].split(":")
            end = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
            ends[row["youtube_id"]] = max(ends.get(row["youtube_id"], 0.0), end)
    return [2 * length for length in rng.choices(sorted(ends.values()), k=n)]


def tasks(videos: Sequence[float], cost: Costs, whole: bool) -> list[float]:
    """Seconds of each decode task in an order that has nothing to do with length: videos whole, or in the build's ranges."""
    out: list[float] = []
    for seconds in videos:
        speech = seconds * _SPEECH
        ranges = 1 if whole else max(1, -(-int(speech * 1000) // _TASK_MS))
        out += [cost.task + cost.decode * speech / ranges] * ranges
    random.Random(1).shuffle(out)
    return out


def makespan(work: Sequence[float], speeds: Sequence[float], bundled: bool) -> float:
    """Seconds until all is done. Each worker takes the next task when it is free; `bundled`: shares are fixed."""
    if bundled:
        shares = [0.0] * len(speeds)
        for number, seconds in enumerate(work):
            shares[number % len(speeds)] += seconds
        return max(share / speed for share, speed in zip(shares, speeds, strict=True))
    free = [(0.0, worker) for worker in range(len(speeds))]
    last = 0.0
    for seconds in work:
        at, worker = heapq.heappop(free)
        end = at + seconds / speeds[worker]
        last = max(last, end)
        heapq.heappush(free, (end, worker))
    return last


def simulate(videos: int, cost: Costs) -> list[dict[str, Any]]:
    """Hours and efficiency by number of workers, with and without ranges, stealing and a slow worker."""
    long = lengths(videos, random.Random(0))
    clips = int(sum(long) * _SPEECH / _CLIP_S)
    shards = -(-clips // _SHARD_SAMPLES)
    pack = [cost.pack * _SHARD_SAMPLES] * shards
    found = []
    for name, whole, bundled, slow, start in (
        ("ranges of ten minutes", False, False, False, _START_S),
        ("ranges, machines stand ready", False, False, False, _STANDING_S),
        ("whole videos", True, False, False, _START_S),
        ("whole videos, machines stand ready", True, False, False, _STANDING_S),
        ("ranges, one slow worker", False, False, True, _START_S),
        ("whole videos, one slow worker", True, False, True, _START_S),
        ("ranges, shares fixed at the start", False, True, False, _START_S),
        ("ranges, shares fixed, one slow worker", False, True, True, _START_S),
    ):
        work = tasks(long, cost, whole)
        alone = sum(work) + sum(pack) + cost.seal * shards
        for workers in _WORKERS:
            speeds = [1.0] * workers
            if slow:
                speeds[0] = _SLOW
            decode = makespan(work, speeds, bundled)
            total = start + decode + makespan(pack, speeds, bundled) + cost.seal * shards
            found.append({
                "how": name, "workers": workers, "tasks": len(work), "longest_task_s": max(work), "core_hours": alone / 3600,
                "hours": total / 3600, "decode_hours": decode / 3600, "efficiency": alone / workers / total,
                "serial_s": cost.seal * shards + start,
            })  # fmt: skip
    return found


def _clip(sentences: int, per_sentence: int) -> LongClip:
    """A long clip of sentences of 13.4 s and 24 words."""
    said = " ".join(["little"] * 24)
    each = tuple(
        Sentence(f"v0000000001.{n}.mp4", 13_400 * n, 13_400 * (n + 1), said + str(n)) for n in range(sentences)
    )
    times = tuple(range(0, 13_400 * sentences, 13_400 // per_sentence))
    return LongClip("v0000000001-000000000-000268000", SourceVideo("v0000000001", "v.mp4"), each, times)


# -- output ------------------------------------------------------------------------------------------------------------


def show(title: str, headings: list[str], rows: list[list[str]], console: Console) -> str:
    """Print a table; returns it as Markdown."""
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    return f"**{title}**\n\n{markdown(headings, rows)}\n"


def main() -> None:
    """Measure, simulate, print, write."""
    options, console, facts = arguments(), Console(), machine()
    path = options.results / "scale.json"
    results: dict[str, Any] = json.loads(path.read_text())["results"] if path.exists() else {}
    wanted = (options.only,) if options.only else ("measure", "simulate")
    if "measure" in wanted:
        results["measured"] = measured(7 if options.quick else 70)
    if "simulate" in wanted:
        cost = costs(RESULTS)
        results["costs"] = vars(cost)
        results["simulated"] = simulate(1000 if options.quick else options.videos, cost)
    parts = []
    if found := results.get("measured"):
        rows = [[str(r["workers"]), f"{r['wall_seconds']:.1f}", f"{r['cpu_seconds']:.1f}",
                 f"{found[0]['wall_seconds'] / r['wall_seconds']:.2f}"] for r in found]  # fmt: skip
        title = f"Measured: {found[0]['videos']} videos on this machine"
        parts.append(show(title, ["workers", "wall s", "CPU s", "times as fast as one"], rows, console))
    if found := results.get("simulated"):
        names = list(dict.fromkeys(r["how"] for r in found))
        rows = []
        for name in names:
            mine = [r for r in found if r["how"] == name]
            cells = [f"{r['hours']:,.2f} h, {r['efficiency']:.0%}" for r in mine]
            rows.append([name, f"{mine[0]['longest_task_s'] / 60:.1f}", *cells])
        title = f"Simulated: {options.videos:,} videos, {found[0]['core_hours']:,.0f} core-hours; time and efficiency by workers"
        headings = ["decode tasks", "longest, min", *(f"{workers:,}" for workers in _WORKERS)]
        parts.append(show(title, headings, rows, console))
    console.print(machine_line(facts), style="dim")
    path = write_results("scale", options.results, facts, results)
    path.with_suffix(".md").write_text("\n".join(parts))
    console.print(f"{path} and .md written")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
