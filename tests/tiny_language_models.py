"""Tiny language models with the real code of transformers: random ones, and ones that know the answers to a few prompts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
    T5Config,
)

CHAT = (
    "{% for message in messages %}<turn>{{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<answer>{% endif %}"
)
SPECIAL = ["<pad>", "</s>", "<turn>", "<answer>"]
KINDS = ("t5", "bart", "llama")


def tokenizer(texts: list[str], chat: bool) -> Any:
    """A byte-level BPE of these texts, which takes any text and gives it back as it is."""
    found = Tokenizer(models.BPE())
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    found.train_from_iterator(texts, trainer)
    pad, end, *others = SPECIAL
    made = PreTrainedTokenizerFast(tokenizer_object=found, pad_token=pad, eos_token=end, extra_special_tokens=others)
    if chat:
        made.chat_template = CHAT
    return made


def network(kind: str, vocabulary: int, positions: int = 1024) -> Any:
    """A random network. t5 has no limit of positions."""
    torch.manual_seed(0)
    ends: dict[str, Any] = {"pad_token_id": 0, "eos_token_id": 1, "vocab_size": vocabulary}
    if kind == "llama":
        config: Any = LlamaConfig(
            **ends, bos_token_id=2, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=positions,
        )  # fmt: skip
        return AutoModelForCausalLM.from_config(config)
    if kind == "bart":
        config = BartConfig(
            **ends, bos_token_id=2, decoder_start_token_id=1, forced_eos_token_id=None, d_model=64, encoder_layers=2,
            decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=128,
            decoder_ffn_dim=128, max_position_embeddings=positions, dropout=0.0,
        )  # fmt: skip
    else:
        config = T5Config(
            **ends, decoder_start_token_id=0, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, dropout_rate=0.0
        )
    return AutoModelForSeq2SeqLM.from_config(config)


def tiny_model(
    folder: Path, kind: str, answers: Mapping[str, str], steps: int = 0, positions: int = 1024, chat: bool = True
) -> str:
    """Save a model of a kind that was trained for so many steps to give these answers to these prompts; its folder."""
    made = tokenizer([*answers, *answers.values()], chat=chat and kind == "llama")
    model = network(kind, len(made), positions)
    batch = _batch([_example(kind, made, prompt, answer) for prompt, answer in answers.items()])
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.0, fused=True)
    model.train()
    for _ in range(steps):
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if float(loss.detach()) < 0.01:
            break
    model.eval().save_pretrained(folder, safe_serialization=True)
    made.save_pretrained(folder)
    return str(folder)


def _example(kind: str, made: Any, prompt: str, answer: str) -> dict[str, Any]:
    wanted = [*made(answer)["input_ids"], 1]
    if kind != "llama":
        return {"input_ids": torch.tensor(made(prompt)["input_ids"]), "labels": torch.tensor(wanted)}
    asked = made(f"<turn>{prompt}</s><answer>" if made.chat_template else prompt)["input_ids"]
    return {
        "input_ids": torch.tensor([*asked, *wanted]),
        "labels": torch.tensor([-100] * len(asked) + wanted),
    }


def _batch(examples: list[dict[str, Any]]) -> dict[str, Any]:
    """Examples side by side; neither attention nor loss sees what fills the shorter ones up."""
    ids, labels = ([example[name] for example in examples] for name in ("input_ids", "labels"))
    return {
        "input_ids": pad_sequence(ids, batch_first=True),
        "attention_mask": pad_sequence([torch.ones_like(one) for one in ids], batch_first=True),
        "labels": pad_sequence(labels, batch_first=True, padding_value=-100),
    }
