"""The multimodal temporal contrastive loss: ours for the whole batch at once against the loop over samples of the released code.

    python benchmarks/mtc.py            batches of 16 to 1024, 1024 features, forward and backward
    python benchmarks/mtc.py --quick    a smoke run

Three others, written from facts/lfvila.md section 4 and oracle/BEHAVIOUR.md section 4:

* loop: for each sample, draw with randperm, index its features (`x[i]`), one small product; one softmax over all;
* lean loop: the same over `x.unbind(0)`, whose backward pass does not fill a whole batch with zeros for each sample;
* drawing loop: only the draws loop, as in the released code; the rest is one gather.

All are held to the loss and gradients of ours with `compat="official"` and equal draws, or this ends with exit code 1; then
all draw for themselves and take turns.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from measure import RESULTS, Failed, machine, machine_line, markdown, write_results
from rich.console import Console
from torch import Tensor

from longtake.model.network.compat import CORRECTED, OFFICIAL
from longtake.model.network.temporal_contrast import IGNORED, Draw, draw, mtc_loss

CLIPS, KEYS, VALUES, OTHERS, TEMPERATURE = 4, 2, 2, 3, 0.05
TARGET_BATCH, TARGET = 512, 10.0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 32, 64, 128, 256, 512, 1024])
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--strict", action="store_true", help="exit code 1 also where a target is missed")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.quick:
        options.batch, options.repeats = [16, 64], 2
    return options


def drawn_in_a_loop(batch: int, positions: int, device: torch.device) -> Draw:
    """Positions by one randperm for each sample and purpose."""
    keys = torch.stack([torch.randperm(positions)[:KEYS] for _ in range(batch)])
    values = torch.stack([torch.randperm(positions)[:VALUES] for _ in range(batch)])
    others = torch.cat([torch.randperm(positions)[:1] for _ in range(batch)])
    return Draw(keys, values, others).to(device)


def loop(clips: Tensor, sentences: Tensor, drawn: Draw, lean: bool) -> Tensor:
    """The released loss of (B, M, C), sample by sample."""
    labels = []
    for keys, values in zip(drawn.keys, drawn.values, strict=True):
        distance = (keys.unsqueeze(1) - values.unsqueeze(0)).abs()
        label = distance.argmin(dim=1)
        label[distance[:, 0] == distance[:, -1]] = IGNORED
        labels.append(label)

    def one_way(anchors: Tensor, candidates: Tensor) -> Tensor:
        a, c = (x.unbind(0) if lean else x for x in (anchors, candidates))
        batch, scores = len(labels), []
        for i in range(batch):
            others = [c[(i - r) % batch][drawn.others[(i - r) % batch]].unsqueeze(0) for r in range(OTHERS)]
            scores.append(a[i][drawn.keys[i]] @ torch.cat([c[i][drawn.values[i]], *others]).t() / TEMPERATURE)
        return F.cross_entropy(torch.cat(scores), torch.cat(labels), ignore_index=IGNORED)

    return one_way(sentences, clips) + one_way(clips, sentences)


def gathered(clips: Tensor, sentences: Tensor, drawn: Draw) -> Tensor:
    """The released loss with one gather for all samples: the part of a loop that is easily avoided."""
    rows = torch.arange(len(clips), device=clips.device)
    distance = (drawn.keys.unsqueeze(2) - drawn.values.unsqueeze(1)).abs()
    labels = distance.argmin(-1).masked_fill(distance[..., 0] == distance[..., -1], IGNORED).flatten()

    def one_way(anchors: Tensor, candidates: Tensor) -> Tensor:
        others = candidates[rows, drawn.others].unsqueeze(1)
        rolled = [torch.roll(others, shift, dims=0) for shift in range(OTHERS)]
        all_of_them = torch.cat([candidates[rows.unsqueeze(1), drawn.values], *rolled], dim=1)
        scores = anchors[rows.unsqueeze(1), drawn.keys] @ all_of_them.transpose(1, 2) / TEMPERATURE
        return F.cross_entropy(scores.flatten(0, 1), labels, ignore_index=IGNORED)

    return one_way(sentences, clips) + one_way(clips, sentences)


def features(batch: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Clips and sentences of unit length."""
    made = [F.normalize(torch.randn(batch, CLIPS, width, device=device), dim=-1).requires_grad_() for _ in "ab"]
    return made[0], made[1]


def check(batch: int, width: int, device: torch.device) -> float:
    """The largest difference of loss and gradients with equal draws. Raises Failed."""
    clips, sentences = features(batch, width, device)
    present = torch.ones(batch, CLIPS, dtype=torch.bool, device=device)
    drawn = draw(present, KEYS, VALUES, torch.Generator().manual_seed(batch))
    losses = (
        mtc_loss(clips, sentences, drawn, OTHERS, TEMPERATURE, OFFICIAL, present),
        loop(clips, sentences, drawn, lean=False),
        loop(clips, sentences, drawn, lean=True),
        gathered(clips, sentences, drawn),
    )
    found = [(loss, *torch.autograd.grad(loss, (clips, sentences))) for loss in losses]
    worst = max(
        float((a - b).detach().abs().max()) for other in found[1:] for a, b in zip(found[0], other, strict=True)
    )
    if not worst < 1e-5:
        raise Failed(f"batch {batch}: ours and the loop differ by {worst:.1e}")
    return worst


def seconds(action: Callable[[], Tensor], times: int, device: torch.device) -> float:
    """Of one forward and backward pass: CPU seconds with one thread on CPU, else wall time."""
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    begun = clock()
    for _ in range(times):
        action().backward()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (clock() - begun) / times


def measure(batch: int, options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Both contenders at one batch size, in turns; medians."""
    worst = check(batch, options.width, device)
    clips, sentences = features(batch, options.width, device)
    present = torch.ones(batch, CLIPS, dtype=torch.bool, device=device)
    generator = torch.Generator().manual_seed(0)

    def ours() -> Tensor:
        drawn = draw(present, KEYS, VALUES, generator)
        return mtc_loss(clips, sentences, drawn, OTHERS, TEMPERATURE, CORRECTED, present)

    def drawn() -> Draw:
        return drawn_in_a_loop(batch, CLIPS, device)

    contenders: dict[str, tuple[Callable[[], Tensor], int]] = {
        "ours": (ours, 10),
        "loop": (lambda: loop(clips, sentences, drawn(), lean=False), 1),
        "lean": (lambda: loop(clips, sentences, drawn(), lean=True), 1),
        "drawing": (lambda: gathered(clips, sentences, drawn()), 3),
    }
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(options.repeats + 1):
        for name, (action, times) in contenders.items():
            found = seconds(action, times, device)
            if turn:
                spent[name].append(found)
    median = {name: statistics.median(values) for name, values in spent.items()}
    return {"batch": batch, "differs": worst, "ratio": median["loop"] / median["ours"], **median, "all": spent}


def text_of(rows: list[dict[str, Any]]) -> tuple[str, list[tuple[bool, str]]]:
    """The table as Markdown, and what the target says: of both loops over samples, since it does not say which is meant."""
    others = {"loop": "loop", "lean": "lean loop", "drawing": "drawing loop"}
    headings = ["batch", "ours, ms", *(f"{name}, ms (over ours)" for name in others.values()), "differ by"]
    lines = [
        [str(row["batch"]), f"{row['ours'] * 1e3:.2f}"]
        + [f"{row[name] * 1e3:.2f} ({row[name] / row['ours']:.1f}x)" for name in others]
        + [f"{row['differs']:.0e}"]
        for row in rows
    ]
    judged = [
        (
            row[name] / row["ours"] >= TARGET,
            f"batch {row['batch']}, {others[name]}: {row[name] / row['ours']:.1f}x, target {TARGET:g}",
        )
        for row in rows
        if row["batch"] == TARGET_BATCH
        for name in ("loop", "lean")
    ]
    verdicts = "".join(f"- {'pass' if ok else 'MISS'}: {line}\n" for ok, line in judged)
    return markdown(headings, lines) + "\n" + verdicts, judged


def main() -> int:
    """Measure, print, write."""
    options, console = arguments(), Console()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = torch.device(options.device)
    facts = machine() | {"device": options.device, "threads": options.threads}
    if options.device == "cuda":
        facts["gpu"] = torch.cuda.get_device_name()
    console.print(machine_line(facts), highlight=False)
    name = "mtc" if options.device == "cpu" else "mtc-cuda"
    rows: list[dict[str, Any]] = []
    for batch in options.batch:
        try:
            rows.append(measure(batch, options, device))
        except Failed as failure:
            console.print(str(failure), style="red", markup=False)
            return 1
        text, judged = text_of(rows)  # written as it grows: a run may be ended by its limit
        write_results(name, options.results, facts, {"rows": rows, "targets": [list(line) for line in judged]})
        (options.results / f"{name}.md").write_text(text)
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    return int(options.strict and not all(ok for ok, _ in judged))


if __name__ == "__main__":
    sys.exit(main())
