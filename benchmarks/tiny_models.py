"""Models with random weights, as small as they may be, in the real formats: what plans with models cost beside the models."""

import sys
from pathlib import Path

from synthetic import WORDS

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))


def write_sentence_model(folder: Path) -> Path:
    """Save a SentenceTransformer of one layer of 16 channels with BERT's vocabulary; nothing happens if it is there."""
    if folder.exists():
        return folder
    import torch
    from sentence_transformers import SentenceTransformer, models
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    bert, vocabulary = folder.with_name(folder.name + "-bert"), ROOT / "model" / "data" / "vocabulary" / "uncased.txt"
    tokenizer = BertTokenizerFast(str(vocabulary))
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16
    )
    BertModel(config).save_pretrained(bert)
    tokenizer.save_pretrained(bert)
    words = models.Transformer(str(bert), max_seq_length=64)
    SentenceTransformer(modules=[words, models.Pooling(16)], device="cpu").save(str(folder))
    return folder


def write_caption_model(folder: Path) -> Path:
    """Save a T5 of two layers that was trained for no step; nothing happens if it is there."""
    if not folder.exists():
        from tiny_language_models import tiny_model

        # It knows the made-up words: else each letter is a token, and attention over them takes all the time.
        tiny_model(folder, "t5", {" ".join(WORDS.split()): "a pot"}, steps=0)
    return folder
