"""The shard loader: samples for each core and second, against webdataset's `.decode("rgb")` and against decord.

    python benchmarks/loader.py            makes its corpus first (some minutes), then measures
    python benchmarks/loader.py --quick    a smoke run

A sample is 4 sentences of 8 frames at 192x320 and their tokens, in batches of 16. The corpus is built by `longtake build` with
the default settings (short side 240, up to 16 sentences in a long clip) from copies of real videos. All contenders draw the same
windows and crops for the same samples; the webdataset ones must deliver our pictures and tokens, or this ends with exit code 1.
CPU seconds of a fresh process with one thread, without imports and the first batch; contenders take turns.

Then the library: all frames of all samples as arrays, and 16 frames of each at 224 x 224, by `longtake.open`, `ClipDataset`,
webdataset and simplejpeg alone (reading_child.py). All must deliver the same keys, numbers of frames and mean colours.
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

from loader_child import CONTENDERS
from loader_material import corpus
from measure import RESULTS, Failed, child, machine, machine_line, markdown, write_results
from reading_child import CONTENDERS as READERS
from rich.console import Console

TARGETS = {"webdataset": 2.0, "decord": 10.0}
#: A guess at what a well-fed H200 reaches in mixed bf16, and its dense peak by the datasheet.
UTILISATION, PEAK = 0.40, 989e12
HOST_CORES = 16
#: How far pictures may be from ours, on average, in steps of 1 / 255: JPEG decoders and rounding differ.
_LIKE = 0.6


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--batches", type=int, default=2, help="that are timed")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--copies", type=int, default=9, help="of each source video in the corpus")
    parser.add_argument(
        "--workers", type=int, nargs="*", default=[0, 1, 2], help="DataLoader workers of the scaling runs"
    )
    parser.add_argument("--reading", action="store_true", help="only the library")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--strict", action="store_true", help="exit code 1 also where a target is missed")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.quick:
        options.batch, options.batches, options.repeats, options.copies, options.workers = 4, 1, 1, 2, [0, 1]
    return options


def measure(made: dict[str, str], options: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """All contenders with one process and one thread. Raises Failed."""
    job = made | {"batch": options.batch, "batches": options.batches, "workers": 0}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for _ in range(options.repeats):
        for name in CONTENDERS:
            found[name].append(child("loader_child.py", job | {"contender": name}, _one_thread()).report)
    rows = []
    for name, reports in found.items():
        cpu = statistics.median(report["cpu"] / report["samples"] for report in reports)
        rows.append({"contender": name, "ms": cpu * 1e3, "per_second": 1 / cpu, "all": [r["cpu"] for r in reports],
                     "differs": reports[0]["differs"]})  # fmt: skip
        console.print(f"  {CONTENDERS[name]}: {1 / cpu:.1f} samples per core-second", highlight=False)
        if name.startswith("webdataset") and not (reports[0]["differs"] < _LIKE and reports[0]["same_tokens"]):
            raise Failed(f"{name} delivers other samples than ours: {reports[0]}")
    return rows


def scaling(made: dict[str, str], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Ours with DataLoader workers: samples for each second of wall time, and for each CPU second of all processes."""
    rows = []
    for workers in options.workers:
        job = made | {"batch": options.batch, "batches": 6 * options.batches, "contender": "ours", "workers": workers}
        reports = [child("loader_child.py", job, _one_thread()).report for _ in range(options.repeats)]
        rows.append({
            "workers": workers, "per_wall_second": max(r["samples"] / r["wall"] for r in reports),
            "per_cpu_second": statistics.median(r["samples"] / r["cpu"] for r in reports),
        })  # fmt: skip
    return rows


def reading(made: dict[str, str], options: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """The library beside others, least CPU time of all repetitions. Raises Failed if one delivers other samples."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in READERS}
    for _ in range(options.repeats):
        for name in READERS:
            job = {"corpus": made["corpus"], "contender": name}
            found[name].append(child("reading_child.py", job, _one_thread()).report)
    rows = []
    for name, reports in found.items():
        kind = name.partition("-")[0]
        first, one = found[f"{kind}-clips"][0], reports[0]
        apart = max(abs(one["means"].get(key, -9) - mean) for key, mean in first["means"].items())
        if one["frames"] != first["frames"] or one["means"].keys() != first["means"].keys() or apart > _LIKE:
            raise Failed(f"{name} reads other samples than ClipDataset: mean colours differ by up to {apart:.2f}")
        ms = min(report["cpu"] / report["frames"] for report in reports) * 1e3
        rows.append({"reader": name, "kind": kind, "ms": ms, "all": [report["cpu"] for report in reports]})
        console.print(f"  {READERS[name]}: {ms:.3f} ms per frame", highlight=False)
    return rows


def _one_thread() -> dict[str, str]:
    return {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def need(batch: int, per_core: float) -> dict[str, float]:
    """What one H200 takes of `base`, stage 1, derived: FLOPs of forward and backward pass over the assumed speed."""
    flops = child("loader_child.py", {"contender": "flops"}, _one_thread()).report
    step = 3 * (flops["video"] + flops["text"]) * batch
    samples = batch * UTILISATION * PEAK / step
    return {"video_gflop": flops["video"] / 1e9, "text_gflop": flops["text"] / 1e9, "step_tflop": step / 1e12,
            "samples_per_second": samples, "cores": samples / per_core}  # fmt: skip


def reading_text(rows: list[dict[str, Any]]) -> str:
    """The table of the library as Markdown."""
    ours = {row["kind"]: row["ms"] for row in rows if row["reader"].endswith("-clips")}
    titles = {"all": "all frames", "picked": "16 at 224 x 224"}
    return markdown(
        ["what", "reader", "CPU ms per frame", "over `ClipDataset`"],
        [[titles[r["kind"]], READERS[r["reader"]], f"{r['ms']:.3f}", f"{r['ms'] / ours[r['kind']]:.2f}x"] for r in rows],
    )  # fmt: skip


def text_of(rows: list[dict[str, Any]], scaled: list[dict[str, Any]], needed: dict[str, float], batch: int) -> str:
    """The tables as Markdown."""
    ours = rows[0]["ms"]
    text = markdown(
        ["contender", "CPU ms per sample", "samples per core-second", "over ours", "mean difference of pictures, of 255"],
        [[CONTENDERS[r["contender"]], f"{r['ms']:.1f}", f"{r['per_second']:.1f}", f"{r['ms'] / ours:.2f}x",
          f"{r['differs']:.2f}"] for r in rows],
    )  # fmt: skip
    text += "\n" + markdown(
        ["workers", "samples per second of wall time", "samples per CPU second"],
        [[str(r["workers"]), f"{r['per_wall_second']:.1f}", f"{r['per_cpu_second']:.1f}"] for r in scaled],
    )
    enough = "feeds it" if needed["cores"] <= HOST_CORES else "does not feed it"
    return text + (
        f"\nDerived, not measured: stage 1 of `base` takes {needed['video_gflop']:.0f} GFLOP (video) + "
        f"{needed['text_gflop']:.0f} GFLOP (text) forward and three times that in training, {needed['step_tflop']:.1f} TFLOP for "
        f"a batch of {batch}. An H200 at {UTILISATION:.0%} of {PEAK / 1e12:.0f} TFLOP/s so takes "
        f"{needed['samples_per_second']:.0f} samples per second: {needed['cores']:.1f} cores like these. A host with "
        f"{HOST_CORES} {enough}.\n\n"
    )


def main() -> int:
    """Measure, print, write."""
    options, console = arguments(), Console()
    facts = machine() | {"threads": 1}
    console.print(machine_line(facts), highlight=False)
    try:
        made = corpus(options.copies)
        read = reading(made, options, console)
        write_results("reading", options.results, facts, {"reading": read})
        (options.results / "reading.md").write_text(reading_text(read))
        if options.reading:
            return 0
        rows = measure(made, options, console)
        scaled = scaling(made, options)
        needed = need(options.batch, rows[0]["per_second"])
    except Failed as failure:
        console.print(str(failure), style="red", markup=False)
        return 1
    by_name = {row["contender"]: row["ms"] / rows[0]["ms"] for row in rows}
    judged = [(by_name[name] >= target, f"{CONTENDERS[name]}: {by_name[name]:.2f}x, target {target:g}")
              for name, target in TARGETS.items()]  # fmt: skip
    text = text_of(rows, scaled, needed, options.batch)
    text += "".join(f"- {'pass' if ok else 'MISS'}: {line}\n" for ok, line in judged)
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    results = {
        "contenders": rows,
        "scaling": scaled,
        "reading": read,
        "need": needed,
        "targets": [list(line) for line in judged],
    }
    write_results("loader", options.results, facts, results)
    (options.results / "loader.md").write_text(text)
    return int(options.strict and not all(ok for ok, _ in judged))


if __name__ == "__main__":
    sys.exit(main())
