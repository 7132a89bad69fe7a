"""Reads settings files: YAML checked against a model, with error messages for people."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from longtake.schemas import storage
from longtake.schemas.errors import ConfigError

Settings = TypeVar("Settings", bound=BaseModel)
Location: TypeAlias = tuple[str | int, ...]  # names of settings and places in lists, from the outside in


class Section(BaseModel):
    """A part of a settings file. Unknown names are errors, and so are NaN and infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def read_settings(path: str, kind: type[Settings], missing: str, reference: str) -> Settings:
    """Read `path` (local or a URI) as `kind`. Its `base` becomes the file's folder.

    `missing` says what to do if there is no such file, `reference` names the document on the settings. Raises ConfigError
    with one line for each fault.
    """
    try:
        raw, lines = _read_yaml(storage.read_bytes(path).decode("utf-8"), path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file. {missing}") from None
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{path}{_line_of(error)}: not valid YAML: {error}") from None
    except ConfigError:
        raise
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an invalid date or number, bytes that are not UTF-8
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid settings: nested too deep") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: must hold a mapping of settings, not {type(raw).__name__}")
    base = storage.parent(path) if storage.is_remote(path) else str(Path(path).resolve().parent)
    return check_settings(raw | {"base": base}, kind, path, reference, lines)


def check_settings(
    raw: dict[str, Any], kind: type[Settings], where: str, reference: str, lines: dict[Location, int] | None = None
) -> Settings:
    """Validate settings already read. `lines` has the line of each setting in `where`. Raises ConfigError with one line for each
    fault."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        told = (
            f"{where}{_at(fault['loc'], lines or {})}: {_explain(fault, kind, reference)}" for fault in error.errors()
        )
        raise ConfigError("\n".join(told)) from None


def did_you_mean(name: str, known: Iterable[str], alike: float = 0.7) -> str:
    """Return "Did you mean ...?" for an unknown name; empty if no known name is this `alike` (difflib's ratio, 0 to 1)."""
    close = get_close_matches(name, list(known), n=1, cutoff=alike)
    return f" Did you mean {close[0]}?" if close else ""


def _explain(fault: Any, kind: type[BaseModel], reference: str) -> str:
    field = ".".join(str(part) for part in fault["loc"]) or "settings"
    if fault["type"] == "extra_forbidden":
        *section, name = fault["loc"]
        meant = did_you_mean(str(name), _known(kind, tuple(section)))
        return f"{field}: no such setting.{meant} See {reference} for the list."
    return f"{field}: {fault['msg'].removeprefix('Value error, ')}"


def _known(kind: Any, section: Location) -> list[str]:
    """The names of the settings in a section of `kind`."""
    fields: dict[str, Any] = kind.model_fields
    if not section:
        return list(fields)
    models = list(_models(fields[str(section[0])].annotation)) if section[0] in fields else []
    inner = section[2:] if section[1:] and isinstance(section[1], int) else section[1:]
    return [name for model in models for name in _known(model, inner)]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _at(location: Location, lines: dict[Location, int]) -> str:
    """Return ":" and the line of a setting or, if it is missing, of the section that should hold it."""
    while location:
        if location in lines:
            return f":{lines[location]}"
        location = location[:-1]
    return ""


def _line_of(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return "" if mark is None else f":{mark.line + 1}"


def _read_yaml(text: str, path: str) -> tuple[Any, dict[Location, int]]:
    """Return the content of a YAML text, and the line of each setting. Raises ConfigError for a name that is given twice: YAML
    would silently take the last one."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, {}
        lines: dict[Location, int] = {}
        twice = list(_walk(node, (), lines, set()))
        if twice:
            raise ConfigError("\n".join(f"{path}:{problem}" for problem in twice))
        return loader.construct_document(node), lines
    finally:
        loader.dispose()


def _walk(node: yaml.Node, location: Location, lines: dict[Location, int], seen: set[int]) -> Iterator[str]:
    """Store the line of each setting below `node`. Yield a message for each name that a mapping gives twice."""
    if id(node) in seen:  # an alias; a hostile text can have so many that following each takes forever
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, child in enumerate(node.value):
            lines[(*location, number)] = child.start_mark.line + 1
            yield from _walk(child, (*location, number), lines, seen)
    if isinstance(node, yaml.MappingNode):
        first: dict[tuple[str, str], int] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                inner = (*location, key.value)
                if (key.tag, key.value) in first:
                    name, before = ".".join(map(str, inner)), first[key.tag, key.value]
                    yield f"{line}: {name}: given twice, first on line {before}. Keep one of the two."
                first[key.tag, key.value] = lines[inner] = line
                yield from _walk(child, inner, lines, seen)
