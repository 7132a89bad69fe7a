"""BERT (arXiv 1810.04805) as a stack of layers that can be run in parts.

Modules have Hugging Face's names, so its weights and the released LF-VILA weights load by name.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtake.model.network.kernels import pinned_attention
from longtake.model.network.sizes import TextSize


class Embeddings(nn.Module):
    """LN(word + position + token type 0), then dropout."""

    def __init__(self, size: TextSize) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(size.vocabulary, size.hidden, padding_idx=size.padding_id)
        self.position_embeddings = nn.Embedding(size.positions, size.hidden)
        self.token_type_embeddings = nn.Embedding(size.token_types, size.hidden)
        self.LayerNorm = nn.LayerNorm(size.hidden, eps=size.norm_eps)
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, ids: Tensor) -> Tensor:
        """(S, L) token ids to (S, L, C)."""
        position = self.position_embeddings.weight[: ids.shape[1]]
        x: Tensor = self.word_embeddings(ids) + position + self.token_type_embeddings.weight[0]
        x = self.dropout(self.LayerNorm(x))
        return x


class SelfAttention(nn.Module):
    """softmax(q k^T / sqrt(d) + m) v with the query, key and value projections."""

    def __init__(self, size: TextSize) -> None:
        super().__init__()
        if size.hidden % size.heads:
            raise ValueError(f"hidden size {size.hidden} is not a multiple of {size.heads} heads")
        self.heads, self.rate = size.heads, size.dropout
        self.plain = False  # whether attention is written out; see forward
        self.query = nn.Linear(size.hidden, size.hidden)
        self.key = nn.Linear(size.hidden, size.hidden)
        self.value = nn.Linear(size.hidden, size.hidden)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """(S, L, C) with keep (S, L) to (S, L, C); keys where `keep` is False are excluded."""
        q, k, v = (
            linear(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for linear in (self.query, self.key, self.value)
        )
        rate = self.rate if self.training else 0.0
        if self.plain:
            # The most negative number, not -inf: if every key is excluded, the weights become uniform instead of NaN
            # (BEHAVIOUR 3d). Written out, because fused kernels differ on such a row: some scale the number to -inf, others
            # rebuild the weights from a log-sum-exp so large that log(L) rounds away.
            mask = torch.zeros(keep.shape, dtype=q.dtype, device=q.device).masked_fill(~keep, torch.finfo(q.dtype).min)
            scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask[:, None, None, :]
            x = F.dropout(torch.softmax(scores, dim=-1), rate) @ v
        else:
            # Every row needs a key, because kernels differ on rows without one. Nobody reads the result of a row that keeps
            # nothing, so it may see its padding.
            keep = keep | ~keep.any(-1, keepdim=True)
            x = pinned_attention(q, k, v, keep[:, None, None, :], rate)
        return x.transpose(1, 2).flatten(2)


class Output(nn.Module):
    """LN(residual + dropout(linear(x))): the end of both halves of a layer."""

    def __init__(self, width: int, size: TextSize) -> None:
        super().__init__()
        self.dense = nn.Linear(width, size.hidden)
        self.LayerNorm = nn.LayerNorm(size.hidden, eps=size.norm_eps)
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """(S, L, width) and (S, L, C) to (S, L, C)."""
        x = self.LayerNorm(residual + self.dropout(self.dense(x)))
        return x


class Attention(nn.Module):
    """Self-attention and its output; named `self` and `output` as in Hugging Face."""

    def __init__(self, size: TextSize) -> None:
        super().__init__()
        self.self = SelfAttention(size)
        self.output = Output(size.hidden, size)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """(S, L, C) to (S, L, C)."""
        x = self.output(self.self(x, keep), x)
        return x


class Intermediate(nn.Module):
    """GELU(linear(x))."""

    def __init__(self, size: TextSize) -> None:
        super().__init__()
        self.dense = nn.Linear(size.hidden, size.intermediate)

    def forward(self, x: Tensor) -> Tensor:
        """(S, L, C) to (S, L, intermediate)."""
        return F.gelu(self.dense(x))


class Layer(nn.Module):
    """A post-norm transformer layer."""

    def __init__(self, size: TextSize) -> None:
        super().__init__()
        self.attention = Attention(size)
        self.intermediate = Intermediate(size)
        self.output = Output(size.intermediate, size)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """(S, L, C) with keep (S, L) to (S, L, C)."""
        x = self.attention(x, keep)
        x = self.output(self.intermediate(x), x)
        return x


class Encoder(nn.Module):
    """The layers. The text encoder decides which of them run."""

    def __init__(self, size: TextSize, layers: int) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(size) for _ in range(layers))


class Pooler(nn.Module):
    """tanh(linear(first token))."""

    def __init__(self, size: TextSize) -> None:
        super().__init__()
        self.dense = nn.Linear(size.hidden, size.hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(S, L, C) to (S, C)."""
        return torch.tanh(self.dense(x[:, 0]))


class Bert(nn.Module):
    """Embeddings, the first `layers` layers, and the pooler."""

    def __init__(self, size: TextSize, layers: int) -> None:
        super().__init__()
        self.embeddings = Embeddings(size)
        self.encoder = Encoder(size, layers)
        self.pooler = Pooler(size)


class Transform(nn.Module):
    """LN(GELU(linear(x))) before the vocabulary."""

    def __init__(self, size: TextSize) -> None:
        super().__init__()
        self.dense = nn.Linear(size.hidden, size.hidden)
        self.LayerNorm = nn.LayerNorm(size.hidden, eps=size.norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., C)."""
        x = self.LayerNorm(F.gelu(self.dense(x)))
        return x


class Predictions(nn.Module):
    """Scores over the vocabulary. The decoder does not share the weights of the word embeddings: stage 2 trains the decoder
    and freezes the embeddings."""

    def __init__(self, size: TextSize) -> None:
        super().__init__()
        self.transform = Transform(size)
        self.decoder = nn.Linear(size.hidden, size.vocabulary, bias=False)
        self.bias = nn.Parameter(torch.zeros(size.vocabulary))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., vocabulary)."""
        return F.linear(self.transform(x), self.decoder.weight, self.bias)


class MaskedWordHead(nn.Module):
    """The masked-language-model head; named `predictions` inside as in Hugging Face."""

    def __init__(self, size: TextSize) -> None:
        super().__init__()
        self.predictions = Predictions(size)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., vocabulary)."""
        x = self.predictions(x)
        return x


def initialise(module: nn.Module, std: float) -> None:
    """Initialise as BERT, for `Module.apply`: N(0, std) for weights, N(0, 0.02) for tables, 0 for biases and padding."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
        if module.padding_idx is not None:
            with torch.no_grad():
                module.weight[module.padding_idx].zero_()
