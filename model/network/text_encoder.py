"""The text encoder: one BERT stack that reads sentences first, then the paragraph, then paragraph and video together."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from longtake.model.network import bert
from longtake.model.network.compat import Compat
from longtake.model.network.sizes import TextSize


class TextEncoder(nn.Module):
    """BERT layers: 0..sentence_layers-1 read each sentence, ..paragraph_layers-1 read the paragraph, the rest fuse."""

    def __init__(self, size: TextSize, fusion: bool, compat: Compat) -> None:
        super().__init__()
        self.size = size
        self.checkpointing = False  # recompute each layer in the backward pass instead of keeping its activations
        self.bert = bert.Bert(size, size.layers if fusion else size.paragraph_layers)
        self.cls = bert.MaskedWordHead(size)
        self.seq_relationship = nn.Linear(size.hidden, 2)
        self.apply(partial(bert.initialise, std=size.init_std))
        # Only these switches read a sentence without words.
        if compat.padded_sentence_features or compat.padding_in_start_token:
            for module in self.bert.encoder.layer[: size.sentence_layers].modules():
                if isinstance(module, bert.SelfAttention):
                    module.plain = True

    def _run(self, x: Tensor, keep: Tensor, layers: Iterable[nn.Module]) -> Tensor:
        for layer in layers:
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(layer, x, keep, use_reentrant=False)  # type: ignore[assignment, unused-ignore]
            else:
                x = layer(x, keep)
        return x

    def sentences(self, ids: Tensor, keep: Tensor) -> Tensor:
        """Encode token ids (S, L) of single sentences to (S, L, C); `keep` says which are words."""
        return self._run(self.bert.embeddings(ids), keep, self.bert.encoder.layer[: self.size.sentence_layers])

    def paragraph(self, x: Tensor, keep: Tensor) -> Tensor:
        """Encode the embedded tokens (B, 1 + M L, C) of a paragraph to the same shape."""
        return self._run(x, keep, self.bert.encoder.layer[self.size.sentence_layers : self.size.paragraph_layers])

    def fusion(self, x: Tensor, keep: Tensor) -> Tensor:
        """Fuse paragraph and video tokens (B, S, C) to the same shape."""
        return self._run(x, keep, self.bert.encoder.layer[self.size.paragraph_layers :])


class SentenceEmbedding(nn.Module):
    """Turns sentences into a paragraph: LN(x + position + segment), one segment for each sentence (facts 3b)."""

    def __init__(self, size: TextSize, compat: Compat) -> None:
        super().__init__()
        self.compat = compat
        self.position_embeddings = nn.Embedding(size.positions, size.hidden)
        self.segment_embeddings = nn.Embedding(size.segments, size.hidden)
        self.norm = nn.LayerNorm(size.hidden, eps=size.norm_eps)
        self.dropout = nn.Dropout(size.dropout)
        std = 1.0 if compat.unit_normal_sentence_tables else size.table_std
        for table in (self.position_embeddings, self.segment_embeddings):
            nn.init.normal_(table.weight, std=std)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """(B, M, L, C) with keep (B, M, L) to (B, M L, C)."""
        batch, sentences, length, width = x.shape
        last = self.position_embeddings.num_embeddings - 1
        if sentences > self.segment_embeddings.num_embeddings:
            raise ValueError(f"{sentences} sentences, but only {self.segment_embeddings.num_embeddings} segments")
        if self.compat.padding_in_positions:
            position = self.position_embeddings.weight[: sentences * length]
        else:
            # Count words, not slots: more padding must not move the words after it. Words beyond the table share its
            # last position.
            count = keep.flatten(1).long().cumsum(1) - 1
            position = self.position_embeddings(count.clamp(0, last))
        segment = self.segment_embeddings.weight[:sentences].repeat_interleave(length, dim=0)
        x = self.dropout(self.norm(x.reshape(batch, sentences * length, width) + position + segment))
        return x


def start_token(x: Tensor, present: Tensor) -> Tensor:
    """Return the mean (B, C) of the sentences' first tokens (B, M, C); only sentences in `present` (B, M) count."""
    weight = present.to(x.dtype).unsqueeze(-1)
    return (x * weight).sum(1) / weight.sum(1).clamp(min=1)
