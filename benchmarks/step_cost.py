"""What a training step of `base` costs a GPU, counted without one: FLOPs, and bytes that pass through memory.

    python benchmarks/step_cost.py        about a minute; nothing is computed, tensors have shapes only

FLOPs: PyTorch's counter, forward once and backward twice. Bytes: the inputs and outputs of each operation of a forward and a
backward pass under bfloat16 autocast, as eager mode runs them on CUDA: layer norms in float32, attention as one kernel that
writes the gradient of its bias for every window. Caches are left out. `fused` has the kernels of model/network/window_passes,
`bf16 norms` layer norms that read and write bfloat16.
The times are no measurement: what is counted, over what an H200 can do at best (989 TFLOP/s, 4.8 TB/s) and at 70 % of it.
"""

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from htwa import STEP
from htwa_gpu import NORMS, flops_of_stage_two, forward_flops, inputs_of
from measure import RESULTS, machine, report
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from longtake.model.network import kernels, video_blocks, window_passes
from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import SIZES
from longtake.model.network.window_geometry import window_tensors

PEAK_FLOPS, PEAK_BYTES, REACHED = 989e12, 4.8e12, 0.7  # of an H200 in bfloat16, and the share that large kernels reach

_MOVE_NOTHING = ("prim::device", "aten::detach", "aten::_unsafe_view")


class Traffic(TorchDispatchMode):
    """Sums the bytes that operations read and write. A view moves none."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def add(self, *tensors: Any) -> None:
        """Count tensors that are read or written once."""
        self.bytes += sum(x.numel() * x.element_size() for x in tensors if isinstance(x, Tensor))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view and func.name() not in _MOVE_NOTHING and "empty" not in func.name():
            self.add(*tree_leaves((args, kwargs)), *tree_leaves(out))
        return out


def attention_as_on_cuda(traffic: Traffic) -> Callable[..., Tensor]:
    """Attention that only counts: the memory-efficient kernel reads q, k, v and bias, and writes its output."""

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, qkv: Tensor, bias: Tensor) -> Tensor:
            ctx.save_for_backward(qkv, bias)
            out = torch.empty_like(qkv[0])
            traffic.add(qkv, bias, out)
            return out

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
            qkv, bias = ctx.saved_tensors
            every_window = torch.empty(qkv.shape[1], *bias.shape[1:], dtype=bias.dtype)
            traffic.add(
                qkv, bias, grad, grad, qkv, every_window, every_window
            )  # output and gradient read, d(bias) summed
            return torch.empty_like(qkv), torch.empty_like(bias)

    return lambda qkv, bias: Counted.apply(qkv, bias)  # type: ignore[no-untyped-call, no-any-return]


class CountedKernel:
    """Stands for a Triton kernel: counts the tensors of a launch."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        return self._traffic.add


def kernels_that_count(traffic: Traffic) -> Any:
    """Stands for the module of Triton kernels."""
    names = ("norm_forward", "norm_backward", "add_forward", "add_backward")
    return SimpleNamespace(**{name: CountedKernel(traffic) for name in names})


def constants(*key: Any) -> Any:
    """The constants of a geometry, made with real numbers."""
    with _disable_current_modes():  # type: ignore[no-untyped-call]
        return window_tensors(*key)


def norm_in_float32(x: Tensor, *rest: Any, plain: Any = F.layer_norm, **more: Any) -> Tensor:
    """Layer norm as autocast runs it on CUDA."""
    out: Tensor = plain(x.float() if torch.is_autocast_enabled("cpu") else x, *rest, **more)
    return out


def bytes_of_video(fused: bool, narrow: bool, batch: int = 4) -> float:
    """Bytes that pass through memory for a sample: forward and backward pass of the video encoder, in training.

    `narrow`: with layer norms that read and write bfloat16."""
    traffic, size = Traffic(), SIZES["base"]
    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        patch.object(kernels, "ONE_DNN", False),
        patch.object(kernels, "NARROW_SUMS", ()),
        patch.object(video_blocks, "attention", attention_as_on_cuda(traffic)),
        patch.object(video_blocks, "window_tensors", constants),
        patch.object(window_passes, "usable", lambda x: fused),
        patch.object(window_passes, "_kernels", lambda: kernels_that_count(traffic)),
        patch.object(F, "layer_norm", norm_in_float32),
        patch.object(torch.nn.init, "trunc_normal_", lambda weights, **_: weights),  # it looks at values
    ):
        model = LFVila(size, stage=1).train()
        model.set_fused(fused)
        model.set_narrow_norms(narrow)
        video = inputs_of(size, 1, batch, "cpu")[0]
        with traffic, torch.autocast("cpu", torch.bfloat16):
            found = model.encode_video(video)
            (found.video.sum() + found.clips.sum()).backward()  # type: ignore[no-untyped-call]
    return traffic.bytes / batch


def main() -> None:
    """Count, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    size, rows, found = SIZES["base"], [], []
    moved = {
        f"{name}{NORMS if narrow else ''}": bytes_of_video(name == "fused", narrow)
        for name, narrow in product(("eager", "fused"), (False, True))
    }
    for stage, encoder in product((1, 2), moved):
        flops = forward_flops(size, stage)
        step = STEP * flops["all"] if stage == 1 else flops_of_stage_two(flops)
        # In stage 2 the encoders are frozen: about a third of the passes is the forward pass.
        gigabytes = moved[encoder] / 1e9 * (1 if stage == 1 else 1 / 3)
        ideal, likely = (step / (PEAK_FLOPS * part) + gigabytes * 1e9 / (PEAK_BYTES * part) for part in (1, REACHED))
        found.append(
            {"stage": stage, "encoder": encoder, "forward_gflop": flops["all"] / 1e9, "step_gflop": step / 1e9,
             "gigabytes": gigabytes, "samples_per_second": 1 / likely, "most_samples_per_second": 1 / ideal,
             "share_of_peak": step / likely / PEAK_FLOPS}
        )  # fmt: skip
        rows.append(
            [str(stage), encoder, f"{flops['all'] / 1e9:,.0f}", f"{step / 1e9:,.0f}", f"{gigabytes:.1f}",
             f"{1 / likely:,.0f}", f"{step / likely / PEAK_FLOPS:.0%}", ""]
        )  # fmt: skip
    headings = ["stage", "encoder", "forward, GFLOP", "step, GFLOP", "video encoder, GB", "predicted samples per s",
                "share of peak", "measured"]  # fmt: skip
    report("step_cost", "A sample of `base`, counted", headings, rows, {"rows": found}, options.results, machine())


if __name__ == "__main__":
    main()
