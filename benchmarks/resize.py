"""Crop and resize in the loader against `data: {resize: device}`, from decoded frames to the model's size.

    python benchmarks/resize.py                   both on one CPU thread
    python benchmarks/resize.py --device cuda     the resizing on a GPU; `gpu.sh` does so
    python benchmarks/resize.py --quick           a smoke run

A sample is 32 frames whose short side is 240, of three shapes in turn: two landscape, one portrait. The same crops are taken both
ways; a pixel that differs by more than 1 of 255 ends this with exit code 1. Times are of one sample: CPU seconds of a worker's
thread, and what is left to the device, with the copy of the bytes to it (on a GPU by the clock). Other work of workers, such as
decoding, is not in here.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import RESULTS, Failed, machine, machine_line, markdown, write_results
from rich.console import Console
from torch import Tensor

from longtake.model.data.cuts import Cut, resized_cuts, together
from longtake.model.data.transforms import CropRange, cut_out, draw_crop, training_frames

SHAPES = ((240, 426), (240, 320), (320, 240))  # height and width, as `frames: {short_side: 240}` makes them
FRAMES, HEIGHT, WIDTH = 32, 192, 320
MOST = 1  # of 255: PyTorch's CPU kernel for bytes rounds twice
H200_SAMPLES = 352  # a second: what an H200 takes of `base`, stage 1, at 40 % of its peak


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.quick:
        options.batch, options.repeats = 3, 1
    return options


def decoded(batch: int) -> list[Tensor]:
    """Noise that a JPEG could hold: smooth, and with sharp edges where it is clipped."""
    made = []
    for number in range(batch):
        coarse = torch.rand(FRAMES, 3, 30, 40) * 2 - 0.5
        tall, wide = SHAPES[number % len(SHAPES)]
        fine = torch.nn.functional.interpolate(coarse, (tall, wide), mode="bicubic").clamp(0, 1) * 255
        made.append(fine.permute(0, 2, 3, 1).to(torch.uint8).contiguous())
    return made


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of one sample for each part, in turns, and how far the pixels are apart. Raises Failed."""
    pictures, rng, device = decoded(options.batch), np.random.default_rng(0), torch.device(options.device)
    crops = [draw_crop(*picture.shape[1:3], CropRange(), rng) for picture in pictures]
    pairs = list(zip(pictures, crops, strict=True))
    cuts = [Cut((crop.height, crop.width), (HEIGHT, WIDTH), crop.flip, True) for crop in crops]
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    spent: dict[str, list[float]] = {"worker, loader": [], "worker, device": [], "device": []}

    def timed(name: str, begun: float) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()
        spent[name].append((clock() - begun) / options.batch)

    for _ in range(options.repeats + 1):
        begun = clock()
        expected = torch.stack([training_frames(picture, crop, HEIGHT, WIDTH) for picture, crop in pairs])
        timed("worker, loader", begun)
        begun = clock()
        joined = together([cut_out(picture, crop) for picture, crop in pairs])
        timed("worker, device", begun)
        joined = joined.pin_memory() if device.type == "cuda" else joined  # DataLoader does it in a thread of its own
        begun = clock()
        found = resized_cuts(joined.to(device, non_blocking=True), cuts)
        timed("device", begun)
    apart = (found.cpu().int() - expected.int()).abs()
    if apart.max() > MOST:
        raise Failed(f"pixels differ by {int(apart.max())} of 255, and may by {MOST}")
    return {
        "seconds": {name: statistics.median(times[1:]) for name, times in spent.items()}, "all": spent,
        "most_apart": int(apart.max()), "share_apart": float((apart > 0).float().mean()),
        "bytes": {"loader": expected.nbytes // options.batch, "device": joined.nbytes // options.batch},
    }  # fmt: skip


def table(found: dict[str, Any], device: str) -> str:
    """As Markdown."""
    spent, sizes = found["seconds"], found["bytes"]
    busy = H200_SAMPLES * spent["device"]
    lines = [
        ["loader", f"{spent['worker, loader'] * 1e3:.1f}", "", f"{sizes['loader'] / 1e6:.1f}"],
        ["device", f"{spent['worker, device'] * 1e3:.1f}", f"{spent['device'] * 1e3:.3g}", f"{sizes['device'] / 1e6:.1f}"],
    ]  # fmt: skip
    text = markdown(["resize", "worker, ms a sample", f"{device}, ms a sample", "MB a sample handed over"], lines)
    text += f"\nPixels differ by at most {found['most_apart']} of 255, {found['share_apart']:.0%} of them by 1."
    if device == "cuda":
        text += f" {H200_SAMPLES} samples a second take {busy:.1%} of the GPU's time."
    return text + "\n"


def main() -> int:
    """Measure, print, write."""
    options, console = arguments(), Console()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    facts = machine() | {"device": options.device, "threads": 1, "batch": options.batch}
    if options.device == "cuda":
        facts["gpu"] = torch.cuda.get_device_name()
    console.print(machine_line(facts), highlight=False)
    try:
        found = measured(options)
    except Failed as failure:
        console.print(str(failure), style="red", markup=False)
        return 1
    name = "resize" if options.device == "cpu" else "resize-cuda"
    text = table(found, options.device)
    write_results(name, options.results, facts, found)
    (options.results / f"{name}.md").write_text(text)
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
