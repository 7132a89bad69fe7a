"""What bfloat16 costs in accuracy: stage 1 under autocast against the same in float32, on a CPU.

    python benchmarks/rounding.py               about a minute

A model with the 24 blocks of `base`, an eighth as wide, fresh weights, drop path off; noise and sentences of 50 words. Layer
norms run as autocast runs them on CUDA, in float32. `float32 residuals` also keeps the map between blocks in float32 throughout;
as it is, autocast makes it bfloat16 from the first merge on, whose linear layer writes that. `bf16 norms`: `norms: bf16`.
Errors are norms of differences over norms of the float32 values: of all vectors, of the loss, of the whole gradient, and of the
gradients of the video encoder's parameters, the median.
"""

import argparse
import statistics
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from htwa_gpu import inputs_of
from measure import RESULTS, machine, report
from step_cost import norm_in_float32
from torch import Tensor

from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import BASE, ModelSize
from longtake.model.network.temporal_contrast import draw
from longtake.model.network.video_blocks import PatchMerging

SEEDS = (0, 1, 2)
KINDS = ("float32 residuals", "as it is", "bf16 norms")
SHOWN = ("vectors", "loss", "gradient", "video gradients, median")


def narrow_base() -> ModelSize:
    """`base` with an eighth of the width, for small pictures."""
    video = replace(BASE.video, embed_dim=16, heads=(1, 2, 4, 4, 4, 8), drop_path=0.0)
    text = replace(BASE.text, hidden=128, heads=2, layers=12, intermediate=512, dropout=0.0)
    return replace(BASE, video=video, text=text, height=64, width=96)


def found_by(model: LFVila, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Vectors, the loss and all gradients, in double precision."""
    model.zero_grad(set_to_none=True)
    video, text = model.encode_video(inputs[0]), model.encode_text(*inputs[1:3])
    drawn = draw(inputs[2].bool().any(-1), 2, 2, torch.Generator().manual_seed(0))
    loss = model.contrastive_losses(video, text, drawn=drawn)["loss"]
    loss.backward()  # type: ignore[no-untyped-call]
    vectors = torch.cat([video.video, video.clips.flatten(0, 1)])
    gradients = {name: p.grad.double() for name, p in model.named_parameters() if p.grad is not None}
    return gradients | {"vectors": vectors.detach().double(), "loss": loss.detach().double()}


def under_autocast(model: LFVila, inputs: tuple[Tensor, ...], kind: str) -> dict[str, Tensor]:
    """The same in bfloat16."""
    wide = [
        module.register_forward_hook(lambda _, given, out: out.float())
        for module in model.video_encoder.modules()
        if isinstance(module, PatchMerging) and kind == KINDS[0]
    ]
    model.set_narrow_norms(kind == "bf16 norms")
    with patch.object(F, "layer_norm", norm_in_float32), torch.autocast("cpu", torch.bfloat16):
        found = found_by(model, inputs)
    for hook in wide:
        hook.remove()
    model.set_narrow_norms(False)
    return found


def errors(found: dict[str, Tensor], exact: dict[str, Tensor]) -> dict[str, float]:
    """The relative differences that are shown."""

    def error(names: list[str]) -> float:
        off, all_of_it = (torch.cat([x.flatten() for x in some]).norm() for some in (
            [found[name] - exact[name] for name in names], [exact[name] for name in names]))  # fmt: skip
        return float(off / all_of_it)

    gradients = [name for name in exact if name not in ("vectors", "loss")]
    of_video = [error([name]) for name in gradients if name.startswith("video_encoder.layers")]
    values = (error(["vectors"]), error(["loss"]), error(gradients), statistics.median(of_video))
    return dict(zip(SHOWN, values, strict=True))


def measured(seed: int) -> dict[str, dict[str, float]]:
    """The errors of each kind."""
    torch.manual_seed(seed)
    model = LFVila(narrow_base(), stage=1).train()
    inputs = inputs_of(narrow_base(), 1, 8, "cpu")
    exact = found_by(model, inputs)
    return {kind: errors(under_autocast(model, inputs, kind), exact) for kind in KINDS}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {seed: measured(seed) for seed in SEEDS}

    def cell(kind: str, name: str) -> str:
        return ", ".join(f"{100 * found[seed][kind][name]:.2f}" for seed in SEEDS)

    rows = [[kind, *map(partial(cell, kind), SHOWN)] for kind in KINDS]
    results: dict[str, Any] = {"errors": found}
    title = "Errors of bfloat16 against float32 in per cent, one number for each seed"
    report("rounding", title, ["in bfloat16", *SHOWN], rows, results, options.results, machine())


if __name__ == "__main__":
    main()
