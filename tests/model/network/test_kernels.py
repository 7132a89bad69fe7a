"""The kernels chosen on CPU give what PyTorch's own do."""

import pytest
import torch
import torch.nn.functional as F

from longtake.model.network import kernels


@pytest.mark.parametrize(
    "shape", [(2, 8, 16), (300, 1), (17, 31), (5,)]
)  # 256 tokens, and others that stay with F.linear
@pytest.mark.parametrize("biased", [True, False])
def test_linear_is_linear(shape: tuple[int, ...], biased: bool) -> None:
    layer = kernels.Linear(12, 20, bias=biased)
    x = torch.randn(*shape, 12, requires_grad=True)
    ours, theirs = layer(x), F.linear(x, layer.weight, layer.bias)
    assert ours.is_contiguous()
    torch.testing.assert_close(ours, theirs)
    signal, inputs = torch.randn_like(ours), [x, *layer.parameters()]
    for a, b in zip(
        torch.autograd.grad(ours, inputs, signal), torch.autograd.grad(theirs, inputs, signal), strict=True
    ):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_linear_takes_inputs_that_are_not_contiguous() -> None:
    layer, x = kernels.Linear(6, 4), torch.randn(6, 16, 32).permute(1, 2, 0)
    torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias))


def test_large_inputs_reach_one_dnn(monkeypatch: pytest.MonkeyPatch) -> None:
    if not kernels.ONE_DNN:
        pytest.skip("PyTorch without oneDNN")
    calls = []
    monkeypatch.setattr(kernels.F, "conv2d", lambda *a: calls.append(1) or torch.conv2d(*a))
    layer = kernels.Linear(4, 4)
    layer(torch.randn(256, 4))
    layer(torch.randn(255, 4))
    layer.double()(torch.randn(256, 4, dtype=torch.float64))
    assert len(calls) == 1


@pytest.mark.parametrize(
    "cache", [1, 100, 250, 10_000]
)  # pieces of one matrix, of some heads, of some rows, of everything
@pytest.mark.parametrize(("batch", "heads"), [(1, 5), (5, 2)])
def test_attention_in_pieces_is_attention(cache: int, batch: int, heads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "CACHE", cache)
    qkv = torch.randn(3, batch, heads, 7, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(1, heads, 7, 7, dtype=torch.float64, requires_grad=True)
    ours, theirs = kernels.attention(qkv, bias), F.scaled_dot_product_attention(*qkv.unbind(0), attn_mask=bias)
    torch.testing.assert_close(ours, theirs)
    signal = torch.randn_like(ours)
    for a, b in zip(
        torch.autograd.grad(ours, (qkv, bias), signal), torch.autograd.grad(theirs, (qkv, bias), signal), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_attention_without_a_gradient_for_the_bias() -> None:
    qkv, bias = torch.randn(3, 2, 2, 5, 4, requires_grad=True), torch.randn(1, 2, 5, 5)
    kernels.attention(qkv, bias).sum().backward()
    expected = torch.autograd.grad(F.scaled_dot_product_attention(*qkv.unbind(0), attn_mask=bias).sum(), qkv)[0]
    assert qkv.grad is not None
    torch.testing.assert_close(qkv.grad, expected, atol=1e-5, rtol=1e-4)
