"""The video encoder at the base size, ours against the plain way and against full temporal windows: time, memory, FLOPs.

    python benchmarks/htwa.py                           CPU, 1 thread, 32, 64 and 128 frames of 192x320
    python benchmarks/htwa.py --device cuda             bfloat16; also compiled, and the share of the peak
    python benchmarks/htwa.py --quick                   a smoke run

Contenders take turns in one process. Before they are timed, the plain one must give our maps and gradients from our weights,
or this ends with exit code 1. Peak memory is that of a
fresh process for each; on CUDA, what PyTorch allocates for the model and a pass.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from htwa_child import TOLERANCE
from measure import RESULTS, Failed, child, machine, machine_line, markdown, write_results
from rich.console import Console

#: What a step takes more than a forward pass: gradients of inputs and of weights.
STEP = 3
#: Dense bfloat16, by the vendor's datasheet, by a part of the device's name.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
TARGETS = {"cpu": 1.2, "cuda": 2.0}
#: Where memory of 24 GiB ends: with gradients, the biases of 128-frame windows alone take 14 GB.
MOST_FULL_FRAMES = {("cpu", "step"): 64}
_NAMES = {
    "ours": "ours", "compiled": "ours, torch.compile", "plain": "plain", "plain+kernel": "plain, our linear layers",
    "full": "full temporal windows",
}  # fmt: skip


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--frames", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--batch", type=int, help="1 on CPU, 4 on CUDA")
    parser.add_argument("--repeats", type=int, help="3 on CPU (fewer, but 2, of the longer videos), 10 on CUDA")
    parser.add_argument("--threads", type=int, default=1, help="on CPU; with 1, times are CPU seconds")
    parser.add_argument("--no-compile", action="store_true", help="CUDA: leave torch.compile out")
    parser.add_argument("--quick", action="store_true", help="a smoke run: 8 frames, one repeat")
    parser.add_argument("--strict", action="store_true", help="exit code 1 also where a target is missed")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    cuda = options.device == "cuda"
    options.batch = options.batch or (4 if cuda else 1)
    options.repeats = options.repeats or (10 if cuda else 3)
    if options.quick:
        options.frames, options.repeats = [8], 1
    return options


def contenders(options: argparse.Namespace, frames: int, mode: str) -> list[str]:
    """Who takes part."""
    names = ["ours", "plain"]
    if options.device == "cpu":
        names.append("plain+kernel")
    elif not options.no_compile and mode == "step" and frames == options.frames[0]:  # compiling takes a minute
        names.append("compiled")
    if frames <= MOST_FULL_FRAMES.get((options.device, mode), frames):
        names.append("full")
    return names


def measure(options: argparse.Namespace, frames: int, console: Console) -> list[dict[str, Any]]:
    """All contenders at one number of frames. Raises Failed."""
    job = {
        "device": options.device, "threads": options.threads, "frames": frames,
        "repeats": options.repeats if options.device == "cuda" else max(options.repeats * 32 // frames, min(options.repeats, 2)),
        "batch": options.batch, "amp": options.device == "cuda", "contenders": ["ours", "plain", "full"],
    }  # fmt: skip
    found = child("htwa_child.py", job | {"task": "check"}).report
    console.print(f"{frames} frames: plain differs from ours by {found['maps']:.1e} in the maps, "
                  f"{found['gradients']:.1e} in a gradient (relative)")  # fmt: skip
    if not (found["maps"] < TOLERANCE and found["gradients"] < 1e-3):
        raise Failed(f"the plain encoder does not compute what ours does: {found}")
    flops = child("htwa_child.py", job | {"task": "flops"}).report
    if abs(flops["ours"]["gflop"] / flops["plain"]["gflop"] - 1) > 0.001:
        raise Failed(f"ours and plain differ in FLOPs: {flops}")
    rows = []
    for mode in ("forward", "step"):
        names = contenders(options, frames, mode)
        times = child("htwa_child.py", job | {"task": "time", "mode": mode, "contenders": names}).report
        for name in names:
            one = job | {"task": "memory", "mode": mode, "contenders": [name]}
            memory = times[name] if "peak" in times[name] else child("htwa_child.py", one).report
            count = flops[name if name in flops else "ours"]
            spent, all_of_it = times[name]["seconds"], count["gflop"] * options.batch * (STEP if mode == "step" else 1)
            rows.append({
                "frames": frames, "mode": mode, "contender": name, **times[name], **count, "differs": found,
                "peak_mb": round(memory["peak"] / 1e6), "above_model_mb": round((memory["peak"] - memory["before"]) / 1e6),
                "gflop_per_second": round(all_of_it / spent, 1), "batch": options.batch,
            })  # fmt: skip
            console.print(f"  {mode} {_NAMES[name]}: {spent:.3f} s, {rows[-1]['peak_mb']} MB", highlight=False)
    return rows


def of(rows: list[dict[str, Any]], row: dict[str, Any], contender: str) -> dict[str, Any]:
    """The row of another contender at the same work."""
    return next(r for r in rows if (r["frames"], r["mode"], r["contender"]) == (row["frames"], row["mode"], contender))


def table(rows: list[dict[str, Any]], peak: float | None) -> str:
    """The rows as Markdown. Ratios are over ours: above 1, ours is faster or smaller."""
    headings = ["frames", "pass", "encoder", "s (over ours)", "peak MB (over ours)", "forward GFLOP", "attention's share",
                "GFLOP/s"] + ["share of peak"] * (peak is not None)  # fmt: skip
    lines = []
    for row in rows:
        ours = of(rows, row, "ours")
        line = [
            str(row["frames"]), row["mode"], _NAMES[row["contender"]],
            f"{row['seconds']:.2f} ({row['seconds'] / ours['seconds']:.2f}x)",
            f"{row['peak_mb']:,} ({row['peak_mb'] / ours['peak_mb']:.2f}x)",
            f"{row['gflop']:.0f}", f"{row['attention_share']:.1%}", f"{row['gflop_per_second']:,.0f}",
        ]  # fmt: skip
        lines.append(line + ([f"{row['gflop_per_second'] * 1e9 / peak:.1%}"] if peak else []))
    return markdown(headings, lines)


def verdicts(rows: list[dict[str, Any]], device: str) -> list[tuple[bool, str]]:
    """What the targets say, for each number of frames."""
    found = []
    for row in rows:
        if row["contender"] != "plain" or (device == "cuda" and row["mode"] == "forward"):
            continue
        ours = of(rows, row, "ours")
        ratio = row["seconds"] / ours["seconds"]
        found.append((ratio >= TARGETS[device], f"{row['frames']} frames, {row['mode']}: plain takes {ratio:.2f}x our time, "
                                                f"target {TARGETS[device]}"))  # fmt: skip
        if device == "cuda":
            memory = row["peak_mb"] / ours["peak_mb"]
            found.append(
                (memory >= 2, f"{row['frames']} frames, {row['mode']}: plain takes {memory:.2f}x our memory, target 2")
            )
    return found


def written(
    rows: list[dict[str, Any]], judged: list[tuple[bool, str]], facts: dict[str, Any], peak: float | None, options: Any
) -> str:
    """Write what was found so far, and return its table."""
    text = table(rows, peak) + "\n" + "".join(f"- {'pass' if ok else 'MISS'}: {line}\n" for ok, line in judged)
    name = "htwa" if options.device == "cpu" else "htwa-cuda"
    write_results(name, options.results, facts, {"rows": rows, "targets": [list(line) for line in judged]})
    (options.results / f"{name}.md").write_text(text)
    return text


def main() -> int:
    """Measure, print, write."""
    options, console = arguments(), Console()
    facts = machine() | {"device": options.device, "threads": options.threads}
    peak = None
    if options.device == "cuda":
        facts["gpu"] = torch.cuda.get_device_name()
        peak = next((value for part, value in PEAKS.items() if part in facts["gpu"]), None)
    console.print(machine_line(facts), highlight=False)
    rows, judged, text = list[dict[str, Any]](), list[tuple[bool, str]](), ""
    for frames in options.frames:
        try:
            rows += measure(options, frames, console)
        except Failed as failure:
            console.print(str(failure), style="red", markup=False)
            return 1
        judged = verdicts(rows, options.device)
        text = written(rows, judged, facts, peak, options)  # as it goes: the longer videos take long
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    return int(options.strict and not all(ok for ok, _ in judged))


if __name__ == "__main__":
    sys.exit(main())
