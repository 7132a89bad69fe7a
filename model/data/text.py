"""From sentences to token ids for the text encoder."""

from collections.abc import Sequence
from importlib.resources import as_file, files
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, BertTokenizer

UNCASED = "uncased"  # BERT's uncased vocabulary, which comes with Longtake (model/data/vocabulary/)


def load_tokenizer(name: str) -> Any:
    """Load the bundled tokenizer for "uncased", else a Hugging Face tokenizer by folder or name."""
    if name != UNCASED:
        return AutoTokenizer.from_pretrained(name)
    with as_file(files("longtake.model.data").joinpath("vocabulary", "uncased.txt")) as path:
        return BertTokenizer(vocab=str(path), model_max_length=512)


class SentenceTokenizer:
    """A tokenizer for rows of sentences: "uncased", or a Hugging Face tokenizer by local path or name.

    Each sentence is separate, between the tokenizer's first and last special token ([CLS], [SEP]), cut or padded to `length`.
    The model itself joins sentences to a paragraph.
    """

    def __init__(self, name: str, length: int) -> None:
        self.tokenizer: Any = load_tokenizer(name)
        self.length = length
        if length <= self.tokenizer.num_special_tokens_to_add():
            raise ValueError(f"{length} tokens leave no room for words")

    def __call__(self, paragraphs: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
        """Return token ids (B, M, L) and mask (B, M, L), 1 for tokens and 0 for padding, both int64.

        Paragraphs with fewer sentences than the longest get rows of padding only, with a mask of 0.
        """
        most = max(map(len, paragraphs), default=0)
        shape = (len(paragraphs), most, self.length)
        pad = self.tokenizer.pad_token_id
        ids = torch.full(shape, 0 if pad is None else pad, dtype=torch.int64)
        mask = torch.zeros(shape, dtype=torch.int64)
        if not ids.numel():
            return ids, mask
        flat = [sentence for paragraph in paragraphs for sentence in paragraph]
        coded = self.tokenizer(flat, padding="max_length", truncation=True, max_length=self.length, return_tensors="pt")
        filled = torch.tensor([[m < len(paragraph) for m in range(most)] for paragraph in paragraphs])
        ids[filled], mask[filled] = coded["input_ids"], coded["attention_mask"]
        return ids, mask
