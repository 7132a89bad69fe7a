"""A language model that answers prompts. It is loaded once per process and always gives the same answer to a prompt."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from longtake.pipeline.run.model_files import first_line, quiet_loading
from longtake.pipeline.run.optional_models import OptionalModel
from longtake.schemas.errors import ConfigError
from longtake.schemas.extras import check_package
from longtake.schemas.text_config import Captions

_BUCKET = 64  # tokens; lengths of padded prompts are multiples of it
#: The only settings kept from a model's generation config: the tokens at beginning and end. There is no sampling, no beams and no
#: penalties; also no forced end token, which would make a cut-off answer look finished.
_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "forced_bos_token_id")


@dataclass(frozen=True, slots=True)
class Answer:
    """The text that a model wrote, and why it is not a complete answer; None if it is complete."""

    text: str
    problem: str | None = None


class CaptionModel:
    """A loaded model, seq2seq or causal, as its config.json says. One thread at a time uses it. Raises ConfigError if it cannot
    be loaded, lacks weights or an end token, or has no room for prompt and answer."""

    def __init__(self, folder: str, captions: Captions) -> None:
        check_package("captions.model", "torch", "text")
        check_package("captions.model", "transformers", "text")
        import torch
        from transformers import (
            AutoConfig,
            AutoModelForCausalLM,
            AutoModelForSeq2SeqLM,
            AutoTokenizer,
            GenerationConfig,
        )

        quiet_loading()
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        device = captions.device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            config = AutoConfig.from_pretrained(folder, **local)
            self.is_seq2seq = bool(config.is_encoder_decoder)
            kind: Any = AutoModelForSeq2SeqLM if self.is_seq2seq else AutoModelForCausalLM
            precision = torch.float32 if device == "cpu" else "auto"
            loaded, found = kind.from_pretrained(
                folder, config=config, use_safetensors=True, dtype=precision, output_loading_info=True, **local
            )
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **local)
            self._model = loaded.to(device).eval()
        except Exception as error:  # whatever is wrong with the files or the device
            raise ConfigError(f"captions.model {folder}: cannot be loaded: {first_line(error)}") from None
        if lacking := sorted(map(str, found["missing_keys"])):
            raise ConfigError(
                f"captions.model {folder}: {len(lacking)} of its weights are missing, such as {lacking[0]}"
            )
        own = self._model.generation_config
        kept = {name: value for name in _TOKENS if (value := getattr(own, name, None)) is not None}
        kept.setdefault("eos_token_id", self._tokenizer.eos_token_id)
        ends = kept["eos_token_id"]
        if ends is None:
            raise ConfigError(f"captions.model {folder}: no token that ends an answer is named (eos_token_id)")
        self._ends = frozenset([ends] if isinstance(ends, int) else ends)
        kept.setdefault("pad_token_id", self._tokenizer.pad_token_id)
        if kept["pad_token_id"] is None:
            kept["pad_token_id"] = min(self._ends)
        self._pad: int = kept["pad_token_id"]
        greedy: Any = GenerationConfig
        self._model.generation_config = greedy(**kept)  # the source of values that are not set below
        self._generation = greedy(**kept, do_sample=False, num_beams=1, max_new_tokens=captions.max_new_tokens)
        self._longest = min(captions.max_prompt_tokens, self._room(folder, config, captions.max_new_tokens))
        self._batch_size, self._device = captions.batch_size, device
        self._lock = threading.Lock()

    def _room(self, folder: str, config: Any, answer: int) -> int:
        """The number of tokens that a prompt may have, by the positions of the model."""
        positions = getattr(config.get_text_config(), "max_position_embeddings", None)
        if positions is None:  # relative positions, as in T5
            return 1 << 31
        room = positions if self.is_seq2seq and answer <= positions else positions - answer
        if room < 1:
            raise ConfigError(
                f"captions.max_new_tokens {answer}: {folder} has {positions} positions, so none is left for a prompt"
            )
        return int(room)

    @property
    def special(self) -> frozenset[str]:
        """The marks that the tokenizer does not take for text, such as ends of turns."""
        added = self._tokenizer.added_tokens_decoder.values()
        marks = {token.content for token in added if token.special or token.content.startswith("<")}
        return frozenset(mark for mark in marks.union(self._tokenizer.all_special_tokens) if mark.strip())

    def answer(self, prompts: Sequence[str]) -> list[Answer]:
        """Answer each prompt, by greedy decoding.

        With batch_size 1 nothing is padded, and no arithmetic depends on other prompts. With more, other prompts cannot change
        the shape of a batch: a prompt is padded to the next multiple of 64 tokens, and a batch is filled up with copies of its
        last prompt.
        """
        with self._lock:
            ids = [self._tokens(prompt) for prompt in prompts]
            found: dict[int, Answer] = {}
            for i, tokens in enumerate(ids):
                if len(tokens) > self._longest:
                    found[i] = Answer("", f"its prompt has {len(tokens):,} tokens; there is room for {self._longest:,}")
            fitting = [i for i in range(len(ids)) if i not in found]
            for batch in self._batches(fitting, ids):
                found.update(zip(batch, self._run([ids[i] for i in batch]), strict=True))
        return [found[i] for i in range(len(prompts))]

    def _tokens(self, prompt: str) -> list[int]:
        if self._tokenizer.chat_template is None:
            ids = self._tokenizer(prompt, verbose=False)["input_ids"]
        else:
            ids = self._tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                enable_thinking=False,  # for templates that know it
            )["input_ids"]
        return list(ids)

    def _padded(self, length: int) -> int:
        return length if self._batch_size == 1 else min(-(-length // _BUCKET) * _BUCKET, self._longest)

    def _batches(self, numbers: Sequence[int], ids: Sequence[list[int]]) -> Iterator[list[int]]:
        groups: dict[int, list[int]] = defaultdict(list)
        for i in numbers:
            groups[self._padded(len(ids[i]))].append(i)
        for length in sorted(groups):
            for first in range(0, len(groups[length]), self._batch_size):
                yield groups[length][first : first + self._batch_size]

    def _run(self, rows: Sequence[list[int]]) -> list[Answer]:
        """The answers of one batch. If the model fails on a prompt, only that prompt gets no answer."""
        try:
            return self._generate(rows, self._batch_size)
        except Exception as error:
            if len(rows) == 1:
                return [Answer("", f"{type(error).__name__}: {first_line(error)}")]
            return [answer for row in rows for answer in self._run([row])]

    def _generate(self, rows: Sequence[list[int]], size: int) -> list[Answer]:
        import torch

        length = self._padded(len(rows[0]))
        filled = [*rows, *[rows[-1]] * (size - len(rows))]
        ids = torch.full((size, length), self._pad)
        mask = torch.zeros((size, length), dtype=torch.long)
        for n, row in enumerate(filled):
            own = slice(0, len(row)) if self.is_seq2seq else slice(length - len(row), length)
            ids[n, own], mask[n, own] = torch.tensor(row), 1
        with torch.inference_mode():
            written = self._model.generate(
                input_ids=ids.to(self._device),
                attention_mask=mask.to(self._device),
                generation_config=self._generation,
            ).tolist()
        return [self._read(row[0 if self.is_seq2seq else length :]) for row in written[: len(rows)]]

    def _read(self, tokens: list[int]) -> Answer:
        # A decoder may begin with the token that also ends: a seq2seq answer includes the start token it was given.
        first = 1 if self.is_seq2seq else 0
        end = next((n for n, token in enumerate(tokens) if n >= first and token in self._ends), None)
        text = str(self._tokenizer.decode(tokens[first:end], skip_special_tokens=True))
        limit = self._generation.max_new_tokens
        return Answer(text, None if end is not None else f"its answer does not end within {limit:,} tokens")


CAPTION_MODEL = OptionalModel("captions.model", CaptionModel, ("transformers", "tokenizers", "torch"), ("captions",))
