"""Models that a configuration may ask for: found, loaded once in each process, with the versions of their libraries."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar

from longtake.pipeline.run.model_files import FILES, find_model, model_digest, versions_of
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError

M = TypeVar("M")
_LOADED: dict[Hashable, Any] = {}
_LOADING = threading.Lock()


@dataclass(frozen=True)
class OptionalModel(Generic[M]):
    """A model and the setting that names it.

    `load` gets the local folder and the values of `options`, the settings that change how the model is loaded. `wanted` is a
    property of the configuration that must be true too. `owner` is the model's owner if the name has none. `files` are patterns
    of the names of its files.
    """

    setting: str
    load: Callable[..., M]
    libraries: tuple[str, ...]
    options: tuple[str, ...] = ()
    wanted: str = ""
    owner: str = ""
    find: Callable[[str, str, CorpusConfig, str], str] = find_model
    files: tuple[str, ...] = FILES

    def asked(self, config: CorpusConfig) -> bool:
        """Whether a configuration asks for the model."""
        return attrgetter(self.setting)(config) is not None and (not self.wanted or attrgetter(self.wanted)(config))

    def folder(self, config: CorpusConfig) -> str:
        """The local folder of the model. Raises ConfigError, also if the configuration does not ask for the model."""
        if not self.asked(config):
            raise ConfigError(f"{self.setting} is not set")
        return self.find(attrgetter(self.setting)(config), self.setting, config, self.owner)

    def get(self, config: CorpusConfig) -> M:
        """The model, shared by all threads of this process. The first call loads it. Raises ConfigError."""
        folder, options = self.folder(config), tuple(attrgetter(option)(config) for option in self.options)
        key = self.setting, folder, options
        with _LOADING:
            if key not in _LOADED:
                _LOADED[key] = self.load(folder, *options)
            model: M = _LOADED[key]
            return model

    def digest(self, config: CorpusConfig) -> str:
        """The digest of the model's files. Raises ConfigError."""
        return model_digest(self.folder(config), self.files)

    def versions(self, config: CorpusConfig) -> dict[str, str]:
        """The versions of the libraries that decide the model's answers; empty if the configuration does not ask for it."""
        return versions_of(self.libraries) if self.asked(config) else {}
