"""Longtake builds long-form video-language datasets, and trains LF-VILA on them.

docs/python.md lists what a person may build on: the names that `longtake.schemas`, `longtake.pipeline`, `longtake.model` and
`longtake.jobs` export. Everything else may change in any version.
"""

from typing import Any

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("longtake")
    raise AttributeError(f"module 'longtake' has no attribute {name!r}")
