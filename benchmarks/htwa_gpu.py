"""What `gpu.sh` checks on a device, and the training steps of `base` it times there. Writes `gpu.json`.

    python benchmarks/htwa_gpu.py                        on CUDA
    python benchmarks/htwa_gpu.py --device cpu --quick   a smoke run: the checks compare CPU with CPU, the steps are of `tiny`

Checks: losses and gradients of small models on the device against the same on CPU, where the oracle and the tests hold them to
the released code, also with the fused kernels; the same in bfloat16, with sentences that are empty, eager against compiled; the
encoder compiled as one graph; its gradients in CUDA graphs that are replayed, none skipped; very many windows. Steps: both
stages, bfloat16 autocast, AdamW, eager, with fused kernels, with torch.compile, stage 1 also with CUDA graphs and with layer
norms that write bfloat16: seconds, samples per second, memory, share of the bfloat16 peak. Each row is written as it is measured.
Exit code 1 where a check fails, where losses are not finite or where Inductor skips a CUDA graph that was asked for.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from htwa import PEAKS, STEP
from measure import HERE, RESULTS, machine, machine_line, markdown, write_results
from rich.console import Console
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch.utils.flop_counter import FlopCounterMode

from longtake.model.network import video_blocks, window_passes
from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import BASE, TINY, ModelSize
from longtake.model.network.temporal_contrast import draw

sys.path.insert(0, str(HERE.parent / "tests" / "model"))
from small_models import batch as small_batch, small

TOLERANCE = 2e-3  # of a gradient, relative: float32, sums in another order
TOLERANCE_BF16 = 0.05  # of losses and vectors, relative: 8 bits of mantissa, some ten layers
WORDS_HIDDEN = 0.15
NORMS = ", bf16 norms"  # after the name of an encoder: layer norms that write bfloat16


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="a smoke run, of tiny")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.quick:
        options.batch, options.repeats = 2, 1
    return options


# -- checks ------------------------------------------------------------------------------------------------------------


def gradients(model: LFVila, inputs: tuple[Tensor, ...], device: str) -> dict[str, Tensor]:
    """The loss and all gradients on a device, brought back to CPU."""
    model = model.to(device).eval()
    moved = [x.to(device) for x in inputs]
    drawn = None
    if model.stage == 1:
        present = inputs[2].bool().any(-1)
        drawn = draw(present, 2, 2, torch.Generator().manual_seed(0)).to(torch.device(device))
    model.zero_grad(set_to_none=True)
    loss = model(*moved, drawn=drawn)["loss"]
    loss.backward()
    found = {name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None}
    model.cpu()
    return found | {"loss": loss.detach().cpu()}


def farthest(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """The largest relative difference; a gradient that is missing counts as infinite."""
    if found.keys() != expected.keys():
        return float("inf")
    most = max(float(x.norm()) for x in expected.values())
    return max(float((found[k] - x).norm()) / max(float(x.norm()), 1e-4 * most) for k, x in expected.items())


def model_checks(device: str) -> dict[str, float]:
    """Both stages, corrected, at sizes of whole windows and of odd ones; and the released behaviour."""
    found = {}
    for stage, compat, frames, height in ((1, "corrected", 32, 64), (1, "corrected", 30, 72), (1, "official", 32, 128),
                                          (2, "corrected", 32, 64), (2, "corrected", 30, 72)):  # fmt: skip
        torch.manual_seed(0)
        model, (_, ids, mask) = small(stage=stage, compat=compat), small_batch(4)
        inputs: tuple[Tensor, ...] = (torch.randn(4, 3, frames, height, 3 * height // 2), ids, mask)
        if stage == 2:
            inputs = (*inputs, torch.where(torch.rand(ids.shape) < 0.3, ids, -100))
        expected = gradients(model, inputs, "cpu")
        name = f"stage {stage}, {compat}, {frames} frames of {3 * height // 2}x{height}"
        found[name] = farthest(gradients(model, inputs, device), expected)
        if window_passes.usable(torch.empty(0, device=device)):
            model.set_fused(True)
            found[f"{name}, fused"] = farthest(gradients(model, inputs, device), expected)
    return found


def bf16_checks(device: str) -> dict[str, float]:
    """Losses of both stages and vectors of paragraphs in bfloat16, some sentences empty, against float32; eager and compiled."""
    found = {}
    for stage in (1, 2):
        torch.manual_seed(0)
        with torch.device(device):
            model = LFVila(TINY, stage=stage).eval()
        video, ids, mask = (x.to(device) for x in small_batch(16))
        mask[::2, 2:] = 0  # every other paragraph is half as long
        mask[1::4, :1] = 0
        labels = torch.where((torch.rand(ids.shape, device=device) < 0.3) & mask.bool(), ids, -100)
        drawn = draw(mask.bool().any(-1).cpu(), 2, 2, torch.Generator().manual_seed(0)).to(torch.device(device))

        def run(
            model: LFVila = model, stage: int = stage, inputs: Any = (video, ids, mask, labels), drawn: Any = drawn
        ) -> Any:
            given = inputs if stage == 2 else inputs[:3]
            return model(*given, drawn=drawn)["loss"], model.encode_text(*inputs[1:3]).paragraph

        with torch.no_grad():
            exact = run()
            for name in ("eager", f"eager{NORMS}", "compiled"):
                model.set_narrow_norms(name.endswith(NORMS))
                if name == "compiled":
                    backend = "inductor" if device == "cuda" else "aot_eager"
                    model.encode_video = torch.compile(model.encode_video, backend=backend)  # type: ignore[method-assign]
                    model.encode_text = torch.compile(model.encode_text, backend=backend)  # type: ignore[method-assign]
                with torch.autocast(device, torch.bfloat16):
                    rounded = run()
                differ = [float((a.float() - b).norm() / b.norm()) for a, b in zip(rounded, exact, strict=True)]
                found[f"bf16, stage {stage}, empty sentences, {name}"] = max(
                    x if x == x else float("inf") for x in differ
                )
    return found


def window_checks(device: str) -> dict[str, float]:
    """The encoder compiled as one graph, and in the layout that is taken with very many windows."""
    torch.manual_seed(0)
    encoder = small(video={"depths": (2, 1, 1, 1, 1, 1)}).video_encoder.to(device).eval()
    video = torch.randn(2, 3, 32, 64, 96, device=device)
    with torch.no_grad():
        expected = encoder(video, 4).clip
        compiled = torch.compile(encoder, fullgraph=True, backend="inductor" if device == "cuda" else "aot_eager")
        found = {"compiled": float((compiled(video, 4).clip - expected).abs().max())}
        kept, video_blocks.MOST_BATCHES = video_blocks.MOST_BATCHES, 10
        found["very many windows"] = float((encoder(video, 4).clip - expected).abs().max())
        video_blocks.MOST_BATCHES = kept
    return found


def compiling(device: str, graphs: bool = False) -> dict[str, Any]:
    """What torch.compile is asked for: on a CPU only the graph is traced."""
    if device == "cpu":
        return {"backend": "aot_eager"}
    return {"mode": "reduce-overhead", "dynamic": False} if graphs else {}


def graph_checks(device: str) -> dict[str, float]:
    """Gradients of the encoder in CUDA graphs, as a training with `compile: reduce-overhead` takes them: run, recorded, replayed
    twice, each time on other videos, against eager ones. And how many graphs were skipped, of which none may be."""
    torch.manual_seed(0)
    before = graphs_skipped()
    encoder = small(video={"depths": (2, 1, 1, 1, 1, 1)}).video_encoder.to(device).train()
    graphs = torch.compile(encoder, **compiling(device, graphs=True))
    worst = 0.0
    for _ in range(4):
        video, found = torch.randn(2, 3, 32, 64, 96, device=device), list[dict[str, Tensor]]()
        pull: list[Tensor] = []
        for one in (encoder, graphs):
            torch.compiler.cudagraph_mark_step_begin()
            outputs = list(one(video, 4))
            pull = pull or [torch.randn_like(output) for output in outputs]
            torch.autograd.backward(outputs, pull)
            found.append({n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None})
            encoder.zero_grad(set_to_none=True)
        worst = max(worst, farthest(found[1], found[0]))
    return {"CUDA graphs": worst, "CUDA graphs skipped": float(graphs_skipped() - before)}


def graphs_skipped() -> int:
    """How often Inductor made no CUDA graph where it was asked for one: it warns, and goes on without."""
    return counters["inductor"]["cudagraph_skips"]


# -- steps -------------------------------------------------------------------------------------------------------------


def inputs_of(size: ModelSize, stage: int, batch: int, device: str) -> tuple[Tensor, ...]:
    """A batch of noise and of sentences of 50 words."""
    frames = size.clips * size.frames_per_clip
    video = torch.randn(batch, 3, frames, size.height, size.width, device=device)
    ids = torch.randint(5, 30000, (batch, size.clips, 50), device=device)
    inputs = (video, ids, torch.ones_like(ids))
    if stage == 1:
        return inputs
    return (*inputs, torch.where(torch.rand(ids.shape, device=device) < WORDS_HIDDEN, ids, -100))


def training_step(size: ModelSize, stage: int, encoder: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds (median), samples per second and memory of one optimisation step. `encoder`: eager, fused, compiled, graphs, each
    also with NORMS after it."""
    device, how_run = options.device, encoder.removesuffix(NORMS)
    torch.manual_seed(0)
    with torch.device(device):
        model = LFVila(size, stage=stage).train()
    model.set_narrow_norms(encoder != how_run)
    inputs = inputs_of(size, stage, options.batch, device)
    flops = forward_flops(size, stage) * options.batch
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=device == "cuda")
    skipped = graphs_skipped()
    # Stage 2 picks out the hidden words, whose number varies: only its encoder is one graph (docs/lfvila.md).
    model.set_fused(how_run == "fused")
    if how_run in ("compiled", "graphs"):
        how = compiling(device, how_run == "graphs")
        model.video_encoder = torch.compile(model.video_encoder, fullgraph=True, **how)  # type: ignore[assignment]
    present = torch.ones(inputs[1].shape[:2], dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    times, losses = [], []
    for turn in range(options.repeats + 2):  # two to warm up
        drawn = draw(present, 2, 2, generator).to(torch.device(device)) if stage == 1 else None
        begun = time.perf_counter()
        torch.compiler.cudagraph_mark_step_begin()
        with torch.autocast(device, torch.bfloat16):
            loss = model(*inputs, drawn=drawn)["loss"]
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))  # waits for the device
        if device == "cuda":
            torch.cuda.synchronize()
        if turn > 1:
            times.append(time.perf_counter() - begun)
    spent = statistics.median(times)
    # Stage 2 trains the fusion layers alone: what is frozen is run forward only.
    total = flops["all"] * STEP if stage == 1 else flops_of_stage_two(flops)
    return {
        "stage": stage, "encoder": encoder, "seconds": spent, "all": times, "samples_per_second": options.batch / spent,
        "peak_gb": torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else None,
        "tflop": total / 1e12, "tflop_per_second": total / 1e12 / spent,
        "finite": all(loss == loss and abs(loss) != float("inf") for loss in losses), "last_loss": losses[-1],
        "graphs_skipped": graphs_skipped() - skipped,
    }  # fmt: skip


class Flops(dict[str, float]):
    """FLOPs of a forward pass by part, which can be multiplied by a batch."""

    def __mul__(self, factor: float) -> "Flops":
        return Flops({name: value * factor for name, value in self.items()})


def flops_of_stage_two(flops: Flops) -> float:
    """All once, and the trained part twice more."""
    return flops["all"] + (STEP - 1) * flops["fusion"]


def forward_flops(size: ModelSize, stage: int) -> Flops:
    """Of one sample, counted on the meta device: `all`, and `fusion`, what stage 2 adds."""

    def count(action: Callable[[], Any]) -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            action()
        return int(counter.get_total_flops())

    with torch.device("meta"):
        model = LFVila(size, stage=stage).eval()
    video, ids, mask = (x.to("meta") for x in inputs_of(size, 1, 1, "cpu"))
    encoders = count(lambda: model.encode_video(video)) + count(lambda: model.encode_text(ids, mask))
    fusion = 0
    if stage == 2:
        with torch.no_grad():
            text = model.encode_text(ids, mask)
            tokens = model.encode_video(video).tokens
        assert model.video_token_pos is not None
        shown = model.video_token_pos(tokens)
        fusion = count(lambda: model.text_encoder.fusion(*model.fusion_input(text, shown)))
    return Flops({"all": encoders + fusion, "fusion": fusion})


def main() -> int:
    """Check, time, write."""
    options, console = arguments(), Console()
    facts = machine() | {"device": options.device}
    peak = None
    if options.device == "cuda":
        facts["gpu"] = torch.cuda.get_device_name()
        peak = next((value for part, value in PEAKS.items() if part in facts["gpu"]), None)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    console.print(machine_line(facts), highlight=False)
    steps: list[dict[str, Any]] = []
    checks: dict[str, float] = {}
    size = TINY if options.quick else BASE

    def write() -> str:
        """What is known so far: a run that ends early has not been for nothing."""
        text = table(steps, peak)
        results = {"checks": checks, "steps": steps, "size": "tiny" if options.quick else "base"}
        write_results("gpu", options.results, facts, results)
        (options.results / "gpu.md").write_text(text)
        return text

    for some in (model_checks, bf16_checks, window_checks, graph_checks):
        for name, found in some(options.device).items():
            checks[name] = found
            console.print(f"  {'ok' if sound(name, found) else 'DIFFERS'} {name}: {found:.1e}", highlight=False)
        write()
    wanted = [(stage, encoder) for stage in (1, 2) for encoder in ("eager", "fused", "compiled")]
    wanted += [(1, "graphs"), *((1, f"{encoder}{NORMS}") for encoder in ("eager", "fused", "compiled"))]
    for stage, encoder in wanted:
        steps.append(training_step(size, stage, encoder, options))
        write()
        if options.device == "cuda":
            torch.cuda.empty_cache()
    console.print(write(), markup=False, highlight=False, soft_wrap=True)
    judged = [sound(name, found) for name, found in checks.items()] + [
        step["finite"] and not step["graphs_skipped"] for step in steps
    ]
    return int(not all(judged))


def sound(name: str, found: float) -> bool:
    """Whether a difference is within what its precision explains."""
    return found < (TOLERANCE_BF16 if name.startswith("bf16") else TOLERANCE)


def table(steps: list[dict[str, Any]], peak: float | None) -> str:
    """The steps as Markdown."""
    headings = ["stage", "encoder", "s", "samples per s", "peak GB", "TFLOP/s", "share of peak"]
    lines = [
        [str(r["stage"]), r["encoder"], f"{r['seconds']:.3f}", f"{r['samples_per_second']:.1f}",
         "" if r["peak_gb"] is None else f"{r['peak_gb']:.1f}", f"{r['tflop_per_second']:.2f}",
         "" if peak is None else f"{r['tflop_per_second'] * 1e12 / peak:.1%}"] for r in steps
    ]  # fmt: skip
    return markdown(headings, lines)


if __name__ == "__main__":
    sys.exit(main())
