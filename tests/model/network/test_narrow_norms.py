"""Layer norms that read and write bfloat16 (`norms: bf16`): one rounding each, and gradients as near as with float32 ones."""

import statistics
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from small_models import batch, small
from small_training import ALONE, configured, write_corpora
from torch import Tensor, nn

from longtake.model.network.kernels import LayerNorm
from longtake.model.network.lfvila import LFVila
from longtake.model.network.video_blocks import VideoBlock
from longtake.model.training.trainer import Trainer


def narrow_norm(width: int) -> LayerNorm:
    norm = LayerNorm(width)
    nn.init.normal_(norm.weight, 1.0, 0.3)
    nn.init.normal_(norm.bias)
    norm.narrow = True
    return norm


def test_a_narrow_norm_rounds_once() -> None:
    norm, x = narrow_norm(64), torch.randn(500, 64).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = norm(x)
    weight, bias = norm.weight.bfloat16().double(), norm.bias.bfloat16().double()
    exact = F.layer_norm(x.double(), (64,), weight, bias, norm.eps)
    assert found.dtype == torch.bfloat16
    assert (found == exact.bfloat16()).double().mean() > 0.999  # float32 sums may tip a tie
    twice = (F.layer_norm(x.double(), (64,), eps=norm.eps).bfloat16() * weight + bias).bfloat16()
    assert (twice == exact.bfloat16()).double().mean() < 0.9


@pytest.mark.parametrize("norms", ["bf16", "fp32"])
def test_a_training_narrows_the_norms_of_its_video_encoder_as_set(tmp_path: Path, norms: str) -> None:
    write_corpora(tmp_path)
    stepper = Trainer(configured(tmp_path, precision="bf16", norms=norms), ALONE).stepper
    stepper.prepare()
    seen = set()
    for module in stepper.model.video_encoder.layers.modules():
        if isinstance(module, LayerNorm):
            module.register_forward_hook(lambda _, given, out: seen.add((given[0].dtype, out.dtype)))
    with patch.object(F, "layer_norm", as_on_cuda), torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        stepper.model.encode_video(torch.randn(1, 3, 32, 32, 64))
    assert ({out for _, out in seen} == {torch.bfloat16}) == (norms == "bf16")
    assert ((torch.bfloat16, torch.float32) in seen) == (norms == "fp32")


def test_in_float32_a_narrow_norm_is_the_plain_one() -> None:
    norm, x = narrow_norm(16), torch.randn(3, 16)
    assert torch.equal(norm(x), F.layer_norm(x, (16,), norm.weight, norm.bias, norm.eps))


def as_on_cuda(x: Tensor, *rest: object, plain: object = F.layer_norm) -> Tensor:
    """Layer norm as autocast runs it there: in float32, and as it is outside of autocast."""
    out: Tensor = plain(x.float() if torch.is_autocast_enabled("cpu") else x, *rest)  # type: ignore[operator]
    return out


def rounded(model: LFVila, inputs: tuple[Tensor, ...], narrow: bool) -> dict[str, Tensor]:
    """Gradients and vectors under autocast."""
    model.set_narrow_norms(narrow)
    with patch.object(F, "layer_norm", as_on_cuda), torch.autocast("cpu", torch.bfloat16):
        return values(model, inputs)


def values(model: LFVila, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    model.zero_grad(set_to_none=True)
    model(*inputs, generator=torch.Generator().manual_seed(0))["loss"].backward()
    with torch.no_grad():
        video = model.encode_video(inputs[0])
    gradients = {name: p.grad.double() for name, p in model.named_parameters() if p.grad is not None}
    return gradients | {"vectors": torch.cat([video.video, video.clips.flatten(0, 1)]).double()}


def test_the_map_between_blocks_is_bfloat16_and_rounded_once_by_each_sum() -> None:
    model, seen = small().eval(), list[tuple[Tensor, ...]]()

    def look(block: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        seen.append((given[0], out))

    for module in model.video_encoder.modules():
        if isinstance(module, VideoBlock):
            module.register_forward_hook(look)
            module.attn.register_forward_hook(lambda _, given, out: seen.append((out,)))
            module.norm2.register_forward_hook(lambda _, given, out: seen.append((given[0],)))
    model.set_narrow_norms(True)
    with patch.object(F, "layer_norm", as_on_cuda), torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        model.encode_video(batch(1)[0])
    assert len(seen) == 3 * 9
    for (attended,), (between,), (before, after) in zip(seen[::3], seen[1::3], seen[2::3], strict=True):
        assert before.dtype == between.dtype == after.dtype == torch.bfloat16
        assert torch.equal(between, (before.double() + attended.double()).bfloat16())


def test_narrow_norms_cost_little_beside_bfloat16_itself() -> None:
    medians, vectors = {True: 0.0, False: 0.0}, {True: 0.0, False: 0.0}
    for seed in range(3):
        torch.manual_seed(seed)
        model, inputs = small().eval(), batch(4)
        exact = values(model, inputs)
        norms = [name for name in exact if "video_encoder.layers" in name and ".norm" in name]
        assert len(norms) == 2 * (2 * 9 + 3)
        for narrow in (False, True):
            found = rounded(model, inputs, narrow)
            off = {name: float((found[name] - exact[name]).norm() / exact[name].norm()) for name in exact}
            medians[narrow] += statistics.median(off[name] for name in norms)
            vectors[narrow] += off["vectors"]
    assert 0 < vectors[True] < 1.3 * vectors[False]
    assert 0 < medians[True] < 1.3 * medians[False]  # by the CPU's own kernel for bfloat16: 2.1 times as far
