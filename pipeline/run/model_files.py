"""The files of a Hugging Face model. A name or folder finds them; a digest identifies them."""

import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError
from longtake.schemas.extras import check_package

#: The files of a model. Weights are read from safetensors only: other formats can run code when they are loaded.
FILES = ("*.json", "*.jinja", "*.txt", "*.model", "*.safetensors")


def find_model(name: str, setting: str, config: CorpusConfig, owner: str = "") -> str:
    """The local folder of the model that `setting` names. The name is a folder or a model on the Hugging Face Hub, taken from
    the local cache if it is there. `owner` is the model's owner if the name has none. Raises ConfigError."""
    folder = config.resolve(name)
    if os.path.isdir(folder):
        if not any(os.path.exists(os.path.join(folder, file)) for file in ("config.json", "modules.json")):
            raise ConfigError(f"{setting} {folder}: not a model: it has no config.json")
        return folder
    return _from_hub(name, setting, name if "/" in name or not owner else f"{owner}/{name}")


@lru_cache
def _from_hub(name: str, setting: str, repo: str) -> str:
    check_package(f"{setting} {name} is not a folder; fetching it", "huggingface_hub", "text")
    from huggingface_hub import snapshot_download

    for offline in (True, False):
        try:
            folder = str(snapshot_download(repo, allow_patterns=list(FILES), local_files_only=offline))
        except Exception as error:  # no such model, no network, no such name
            problem = first_line(error)
        else:
            return folder
    raise ConfigError(f"{setting} {name}: neither a folder nor a model that can be fetched: {problem}")


@lru_cache
def model_digest(folder: str, files: tuple[str, ...] = FILES) -> str:
    """A digest of the model's files, which identifies the model. `files` are patterns of their names. Raises ConfigError."""
    digest = hashlib.sha256()
    root = Path(folder)
    try:
        for path in sorted({path for pattern in files for path in root.rglob(pattern) if path.is_file()}):
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    except OSError as error:
        raise ConfigError(f"model {folder}: {error.strerror or error}") from None
    return digest.hexdigest()


def quiet_loading() -> None:
    """Keep the messages of a library that loads a model out of the output of the commands."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def versions_of(libraries: Iterable[str]) -> dict[str, str]:
    """The versions of the libraries, leaving out libraries that are not installed."""
    found = {}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
