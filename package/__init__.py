"""Longtake builds long-form video-language datasets, reads them, and trains LF-VILA on them.

`longtake.open(path)` gives a finished corpus, `longtake.torch.ClipDataset` its clips for training. docs/python.md lists what a
person may build on: these, and the names that `longtake.schemas`, `longtake.pipeline`, `longtake.model` and `longtake.jobs`
export. Everything else may change in any version.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from longtake.schemas.exports import lazily

if TYPE_CHECKING:
    from longtake.library.corpus import Corpus as Corpus, Sample as Sample, open as open

__version__: str
EXPORTS = {"library.corpus": ("Corpus", "Sample", "open")}
_exported, _names = lazily(__name__, EXPORTS)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("longtake")
    if name == "torch":
        return import_module("longtake.torch")
    return _exported(name)


def __dir__() -> list[str]:
    return sorted(["__version__", "torch", *_names()])
