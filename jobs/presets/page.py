"""Settings as a commented file: the lines of the full template that the settings name, with their values."""

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

_LINE = re.compile(r"(?P<indent> *)(?P<name>\w+):(?P<value>[^#]*)(?P<comment>#.*)?")
_COLUMN, _WIDTH = 34, 130  # of the comments, and of lines, as in the template


def page(head: tuple[str, ...], template: str, settings: Mapping[str, Any]) -> str:
    """Return a file of `settings`: each line explained as in `template`, below the paragraphs of `head`.

    Raises LookupError for a setting that the template does not have.
    """
    lines = [line for text in head for line in textwrap.wrap(text, 118, subsequent_indent="  ")]
    comment = "".join(f"# {line}\n" for line in lines)
    left = {section: dict(value) if isinstance(value, Mapping) else value for section, value in settings.items()}
    body = "\n".join(_chosen(template, left))
    if any(value != {} for value in left.values()):
        raise LookupError(f"not in the template: {left}")
    return f"{comment}\n{body}\n"


def _chosen(template: str, left: dict[str, Any]) -> Iterator[str]:
    """Yield the lines whose settings are in `left`, and take these out of it. Sections stand after an empty line."""
    section: str | None = None
    for line in template.splitlines():
        found = _LINE.fullmatch(line)
        if not found:
            continue
        name, comment = found["name"], found["comment"] or ""
        if not found["indent"]:
            is_section = not found["value"].strip()
            section = name if is_section and left.get(name) else None
            if section:
                yield ""
                yield f"{name}:".ljust(_COLUMN if comment else 0) + comment
            elif not is_section and name in left:
                yield _line("", name, left.pop(name), comment)
        elif section and name in left[section]:
            yield _line(found["indent"], name, left[section].pop(name), comment)


def _line(indent: str, name: str, value: Any, comment: str) -> str:
    setting = f"{indent}{name}: {_yaml(value)}"
    line = f"{setting:{_COLUMN - 2}}  {comment}"
    return line if len(line) <= _WIDTH else f"{indent}{comment}\n{setting}"


def _yaml(value: Any) -> str:
    """Return a value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True).removesuffix("...\n").strip()
