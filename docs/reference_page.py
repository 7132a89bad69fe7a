"""A hook of mkdocs: writes the reference of all public names into docs/reference.md, from what the packages export.

Links to files outside docs/ lead to the repository.
"""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

_MARK = "<!-- reference -->"
_REPOSITORY = "https://github.com/longtake/longtake/blob/main"
_LAZY = ("longtake", "longtake.schemas", "longtake.pipeline", "longtake.model", "longtake.jobs")
_EAGER = ("longtake.torch", "longtake.pipeline.decode", "longtake.pipeline.verify")


def on_config(config: Any) -> Any:
    """Let this tree be imported, whatever is installed."""
    sys.path.insert(0, str(Path(config.config_file_path).parent / ".venv" / "links"))
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark by a section for each package, and links that lead out of docs/."""
    if _MARK in markdown:
        markdown = markdown.replace(_MARK, "\n".join(map(_section, sorted((*_LAZY, *_EAGER)))))
    return re.sub(r"\]\(\.\./", f"]({_REPOSITORY}/", markdown)


def _section(package: str) -> str:
    module = importlib.import_module(package)
    names: list[str] = sorted(set(dir(module)) - {"__version__", "torch"}) if package in _LAZY else module.__all__
    return "\n".join([f"## {package}\n", *(f"::: {_place(package, getattr(module, name), name)}\n" for name in names)])


def _place(package: str, value: Any, name: str) -> str:
    """Where a name is defined: there its docstring is read."""
    module = getattr(value, "__module__", "")
    if module.startswith("longtake."):
        return f"{module}.{getattr(value, '__name__', name)}"
    exports = getattr(importlib.import_module(package), "EXPORTS", {})
    return next(
        (f"{package}.{module}.{name}" for module, names in exports.items() if name in names), f"{package}.{name}"
    )
