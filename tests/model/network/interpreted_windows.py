"""Cases of test_window_passes, which runs them in a process with TRITON_INTERPRET=1: Triton reads it when it is imported."""

import pytest
import torch
from small_models import batch, small
from torch import Tensor

from longtake.model.network import window_passes
from longtake.model.network.compat import CORRECTED
from longtake.model.network.video_blocks import VideoBlock
from longtake.model.network.window_geometry import WindowGeometry

CASES = {
    "shifted": ((4, 6, 10), (2, 3, 5), (0, 1, 2)),
    "padded, shifted along time": ((5, 7, 9), (2, 3, 5), (1, 1, 2)),
    "clipped": ((4, 3, 5), (8, 3, 5), (0, 1, 2)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("clips", [1, 2])
def test_a_block_of_fused_passes_is_the_block(case: str, clips: int) -> None:
    size, window, shift = CASES[case]
    torch.manual_seed(0)
    block = VideoBlock(24, window, shift, heads=2, mlp_ratio=2.0, qkv_bias=True, drop_path=0.5).train()
    for norm in (block.norm1, block.norm2):
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    x = torch.randn(3, *size, 24, requires_grad=True)
    found = {}
    for fused in (False, True):
        block.fused = fused
        torch.manual_seed(1)  # of the drop path
        out = block(x, clips, CORRECTED)
        torch.manual_seed(2)
        found[fused] = [out, *torch.autograd.grad(out, [x, *block.parameters()], torch.randn_like(out))]
    assert not torch.equal(found[False][0], x)
    for ours, plain in zip(found[True], found[False], strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-4, rtol=1e-4)


def test_under_autocast_windows_are_bfloat16_and_the_map_stays_float32() -> None:
    geometry = WindowGeometry.of((2, 4, 4), (2, 2, 2), (0, 1, 1), 1, CORRECTED)
    norm, x = torch.nn.LayerNorm(16), torch.randn(2, 2, 4, 4, 16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        windows = window_passes.norm_to_windows(x, norm, geometry)
        back = window_passes.add_windows(x, windows, torch.ones(2), geometry)
    assert (windows.dtype, back.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(back, x + norm(x).bfloat16().float(), atol=1e-2, rtol=1e-2)
    back.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None and x.grad.dtype == torch.float32


def test_a_model_with_fused_passes_has_the_losses_and_gradients_of_one_without() -> None:
    model = small(stage=1).eval()
    inputs = batch(2)
    found: list[dict[str, Tensor]] = []
    for fused in (False, True):
        model.set_fused(fused)
        model.zero_grad()
        loss = model(*inputs, generator=torch.Generator().manual_seed(0))["loss"]
        loss.backward()
        found.append(
            {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None} | {"loss": loss}
        )
    plain, ours = found
    assert ours.keys() == plain.keys()
    for name, value in plain.items():
        torch.testing.assert_close(ours[name], value, atol=1e-5, rtol=1e-3, msg=name)
