"""Sentences without words: what they are must not depend on the kernel that attends."""

import math
import subprocess
import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_models import batch, small
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

KERNELS = [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]


def in_base_two(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor, dropout_p: float = 0.0) -> Tensor:
    """As kernels for GPUs have it: the scores with the mask times log2(e), and powers of two. What is masked with the most
    negative number becomes -inf on the way."""
    bias = attn_mask.float().log() if attn_mask.dtype == torch.bool else attn_mask
    scores = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + bias) * math.log2(math.e)
    weights = torch.exp2(scores - scores.amax(-1, keepdim=True))
    return weights / weights.sum(-1, keepdim=True) @ v


@pytest.mark.parametrize("kernel", [*KERNELS, in_base_two], ids=["math", "flash", "base two"])
def test_a_short_paragraph_has_the_same_vector_on_every_kernel(kernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = small().eval()
    _, ids, mask = batch(2)
    mask[0, 2:] = 0  # the second half of the first paragraph is not there
    alone = model.encode_text(ids[:1, :2], mask[:1, :2])
    if kernel is in_base_two:
        monkeypatch.setattr(F, "scaled_dot_product_attention", in_base_two)
        found = model.encode_text(ids, mask)
    else:
        with sdpa_kernel(kernel):
            found = model.encode_text(ids, mask)
    torch.testing.assert_close(found.paragraph[:1], alone.paragraph)
    torch.testing.assert_close(found.sentences[:1, :2], alone.sentences)
    assert not found.sentences[0, 2:].any()
    found.paragraph.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_the_model_needs_torch_alone() -> None:
    """As on a rented machine with a GPU, where benchmarks/gpu.sh runs from a copy of the repository."""
    code = """
import sys
class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pydantic", "yaml", "pyarrow", "webdataset", "simplejpeg", "transformers", "safetensors"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Bare())
import torch
import longtake.model.data.cuts, longtake.model.data.transforms
from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import TINY
with torch.device("meta"):
    LFVila(TINY, stage=2)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
