"""The files of a Hugging Face model: found by name or folder, and told from those of another model by a digest."""

import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError

#: What a model consists of. Weights are read from safetensors only: other formats can run code when they are loaded.
_FILES = ("*.json", "*.jinja", "*.txt", "*.model", "*.safetensors")
_INSTALL = "Install it with: pip install 'longtake[text]'"


def find_model(name: str, setting: str, config: CorpusConfig, owner: str = "") -> str:
    """The local folder of the model that `setting` names: a folder, or one from the Hugging Face Hub, from its cache where it is
    there. `owner` is whose it is where the name does not say. Raises ConfigError."""
    folder = config.resolve(name)
    if os.path.isdir(folder):
        if not any(os.path.exists(os.path.join(folder, file)) for file in ("config.json", "modules.json")):
            raise ConfigError(f"{setting} {folder}: no config.json in it, so it is no model")
        return folder
    return _from_hub(name, setting, name if "/" in name or not owner else f"{owner}/{name}")


@lru_cache
def _from_hub(name: str, setting: str, repo: str) -> str:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise ConfigError(f"{setting} {name}: not a folder, and no package to fetch it with. {_INSTALL}") from None
    for offline in (True, False):
        try:
            folder = str(snapshot_download(repo, allow_patterns=list(_FILES), local_files_only=offline))
        except Exception as error:  # no such model, no network, no such name
            problem = first_line(error)
        else:
            return folder
    raise ConfigError(f"{setting} {name}: neither a folder nor a model that can be fetched: {problem}")


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
        raise ConfigError(f"model {folder}: {error.strerror or error}") from None
    return digest.hexdigest()


def quiet_loading() -> None:
    """What a library finds worth reporting while it loads a model stays out of what the commands print."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def versions_of(libraries: Iterable[str]) -> dict[str, str]:
    """The versions of those of the libraries that are installed."""
    found = {}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
