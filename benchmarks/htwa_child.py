"""One process of `htwa.py`: builds the encoders, checks that they compute the same, and times them in turn."""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from htwa_plain import PlainEncoder
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from longtake.model.network import kernels
from longtake.model.network.compat import CORRECTED
from longtake.model.network.sizes import BASE, VideoSize
from longtake.model.network.video_encoder import VideoEncoder

HEIGHT, WIDTH, CLIP = 192, 320, 8
TOLERANCE = 2e-4  # of maps whose values are around 1: float32 after 24 blocks
_ATTENTION = ("bmm", "baddbmm", "attention")  # operators that nothing but attention uses here


def encoder(contender: str, frames: int) -> nn.Module:
    """A contender with random weights; `load` gives it those of ours."""
    size = BASE.video
    if contender in ("ours", "compiled"):
        return VideoEncoder(size, CORRECTED)
    if contender == "full":
        return VideoEncoder(full_windows(size, frames), CORRECTED)
    plain = PlainEncoder(size)
    if contender == "plain+kernel":
        for module in list(plain.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.Linear):
                    child.__class__ = kernels.Linear
                    setattr(module, name, child)
    return plain


def full_windows(size: VideoSize, frames: int) -> VideoSize:
    """Every window as long as the video. No map is local then, so there is no tap: 0.6 % of the FLOPs less."""
    windows = tuple((frames, h, w) for _, h, w in size.windows)
    return replace(size, windows=windows, local_window=frames)


def run(model: nn.Module, video: Tensor) -> tuple[Tensor, Tensor]:
    """Both maps."""
    if isinstance(model, PlainEncoder):
        out: tuple[Tensor, Tensor] = model(video)
        return out
    maps = model(video, max(video.shape[2] // CLIP, 1))
    return maps[0], maps[1]


def randomised(model: nn.Module) -> nn.Module:
    """Values in all tensors that are neutral at the start, so that nothing can be left out unnoticed."""
    for name, parameter in model.named_parameters():
        if name.endswith(("bias", "bias_table")) or "norm" in name:
            nn.init.normal_(parameter, std=0.2)
    return model


def check(frames: int, device: torch.device) -> dict[str, float]:
    """The largest difference of plain from ours: both maps, and all gradients at 8 frames."""
    ours, plain = randomised(encoder("ours", frames)).to(device).eval(), encoder("plain", frames).to(device).eval()
    plain.load_state_dict(ours.state_dict())
    with torch.no_grad():
        video = torch.randn(1, 3, frames, HEIGHT, WIDTH, device=device)
        maps = max(float((a - b).abs().max()) for a, b in zip(run(ours, video), run(plain, video), strict=True))
    gradients: list[dict[str, Tensor]] = []
    video = torch.randn(1, 3, CLIP, HEIGHT, WIDTH, device=device)
    for model in (ours, plain):
        a, b = run(model, video)
        (a.square().mean() + b.square().mean()).backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    worst = max(float((gradients[1][name] - g).norm() / g.norm().clamp(min=1e-12)) for name, g in gradients[0].items())
    return {"maps": maps, "gradients": worst}


def flops(contender: str, frames: int) -> dict[str, float]:
    """Of one forward pass, counted on the meta device: all, and the share of attention's matrix products."""
    with torch.device("meta"):
        model, video = encoder(contender, frames), torch.empty(1, 3, frames, HEIGHT, WIDTH)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run(model.eval(), video)
    by_operator = {str(name): count for name, count in counter.get_flop_counts()["Global"].items()}
    attention = sum(count for name, count in by_operator.items() if any(part in name for part in _ATTENTION))
    total = counter.get_total_flops()
    return {"gflop": round(total / 1e9, 2), "attention_share": round(attention / total, 4)}


def work(model: nn.Module, video: Tensor, mode: str, amp: bool) -> None:
    """One forward pass, or one forward and backward pass."""
    with torch.set_grad_enabled(mode == "step"), torch.autocast(video.device.type, torch.bfloat16, enabled=amp):
        a, b = run(model, video)
    if mode == "step":
        (a.float().mean() + b.float().mean()).backward()
        model.zero_grad(set_to_none=True)


def seconds(action: Callable[[], None], device: torch.device) -> float:
    """CPU seconds of this process where there is one thread, else wall time; on CUDA by events."""
    if device.type == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in "ab")
        torch.cuda.synchronize()
        start.record()
        action()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1e3
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    begun = clock()
    action()
    return clock() - begun


def timed(job: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Median and all times of each contender, which take turns; one round to warm up. On CUDA also the bytes each takes."""
    models: dict[str, nn.Module] = {}
    for name in job["contenders"]:
        model = encoder(name, job["frames"]).to(device).train(job["mode"] == "step")
        models[name] = torch.compile(model, fullgraph=True) if name == "compiled" else model  # type: ignore[assignment]
    video = torch.randn(job["batch"], 3, job["frames"], HEIGHT, WIDTH, device=device)
    times: dict[str, list[float]] = {name: [] for name in models}
    above: dict[str, int] = {}
    for turn in range(job["repeats"] + 1):
        for name, model in models.items():
            if turn == 1 and device.type == "cuda":  # a pass of its own: the first one of a compiled encoder compiles
                above[name] = allocated(lambda model=model: work(model, video, job["mode"], job["amp"]))  # type: ignore[misc]
            spent = seconds(lambda model=model: work(model, video, job["mode"], job["amp"]), device)  # type: ignore[misc]
            if turn:
                times[name].append(spent)
    own = {name: sum(x.numel() * x.element_size() for x in model.parameters()) for name, model in models.items()}
    return {
        name: {"seconds": statistics.median(t), "all": [round(x, 5) for x in t]}
        | ({"before": own[name], "peak": own[name] + above[name]} if name in above else {})
        for name, t in times.items()
    }


def allocated(action: Callable[[], None]) -> int:
    """Bytes of CUDA memory that it takes at its peak, above what there was."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    action()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def peak(job: dict[str, Any]) -> dict[str, int]:
    """On CPU: resident memory of this process at the peak of one contender's first pass, and before it."""
    model = encoder(job["contenders"][0], job["frames"]).train(job["mode"] == "step")
    video = torch.randn(job["batch"], 3, job["frames"], HEIGHT, WIDTH)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    work(model, video, job["mode"], job["amp"])
    return {"before": before, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def main(job_file: str, report_file: str) -> None:
    """Do the job in `job_file`, and write what it found to `report_file`."""
    job = json.loads(Path(job_file).read_text())
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    device = torch.device(job["device"])
    tasks: dict[str, Callable[[], dict[str, Any]]] = {
        "check": lambda: check(job["frames"], device),
        "flops": lambda: {name: flops(name, job["frames"]) for name in job["contenders"]},
        "time": lambda: timed(job, device),
        "memory": lambda: dict(peak(job)),
    }
    Path(report_file).write_text(json.dumps(tasks[job["task"]]()))


if __name__ == "__main__":
    main(*sys.argv[1:])
