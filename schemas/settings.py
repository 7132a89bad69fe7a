"""Reads settings files: YAML checked against a model, with error messages for people."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from longtake.schemas import storage
from longtake.schemas.errors import ConfigError, CorpusError

Settings = TypeVar("Settings", bound=BaseModel)
SET = "--set"  # the option that changes a setting
Location: TypeAlias = tuple[str | int, ...]  # names of settings and places in lists, from the outside in


class Section(BaseModel):
    """A part of a settings file. Unknown names are errors, and so are NaN and infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SettingsFile(Section):
    """The settings of a whole file, which remember where each is given. Made in code, they remember nothing."""

    _file: str = PrivateAttr("")
    _places: dict[Location, str] = PrivateAttr(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Compare the settings, wherever they are given."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    @contextmanager
    def located(self) -> Iterator[None]:
        """Put file and line in front of an error's message that begins with the name of a setting, as in `data.related: ...`.

        It is for what shows only when the settings are used: files that do not exist, or do not fit.
        """
        try:
            yield
        except (ConfigError, CorpusError) as error:
            name = re.match(r"[a-z_]+(\.\w+)*(?=[:\s])", str(error))
            location = tuple(int(part) if part.isdecimal() else part for part in name[0].split(".")) if name else ()
            if self._file and location and location[0] in type(self).model_fields:
                error.args = (_told(_nearest(location, self._places, self._file), str(error)),)
            raise


def read_settings(
    path: str, kind: type[Settings], missing: str, reference: str, changes: Sequence[str] = ()
) -> Settings:
    """Read `path` as `kind`. Its `base` becomes the file's folder.

    Args:
        path: a YAML file, local or a URI.
        kind: the model of the settings.
        missing: what to do if there is no such file.
        reference: the document on the settings.
        changes: settings that replace those of the file, each as in `merge.min_sentences=3`; the value is YAML.

    Returns:
        The validated settings.

    Raises:
        ConfigError: with one line for each fault, which names the line of the file or the change.
    """
    try:
        raw, places = _read_yaml(storage.read_bytes(path).decode("utf-8"), path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file. {missing}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: a folder; name the file of settings in it. {missing}") from None
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
    for change in changes:
        _change(raw, places, change)
    if ("base",) in places:
        raise ConfigError(f"{places['base',]}: base: no such setting. See {reference} for the list.")
    base = storage.parent(path) if storage.is_remote(path) else str(Path(path).resolve().parent)
    found = check_settings(raw | {"base": base}, kind, path, reference, places)
    if isinstance(found, SettingsFile):
        found._file, found._places = path, places
    return found


def check_settings(
    raw: dict[str, Any], kind: type[Settings], where: str, reference: str, places: dict[Location, str] | None = None
) -> Settings:
    """Validate settings already read. `places` says where each setting is given, by default in `where`. Raises ConfigError with
    one line for each fault."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        told = []
        for fault in error.errors():
            told.append(_told(_at(fault["loc"], places or {}, where), _explain(fault, kind, reference)))
        raise ConfigError("\n".join(told)) from None


def changed(raw: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Return settings with changes as in `read_settings`. Raises ConfigError."""
    made, places = copy(raw), dict[Location, str]()
    for change in changes:
        _change(made, places, change)
    return made


def _change(raw: dict[str, Any], places: dict[Location, str], change: str) -> None:
    """Set one setting as in `merge.min_sentences=3`. Raises ConfigError."""
    name, equals, text = change.partition("=")
    where, path = f"{SET} {name}", name.split(".")
    if not equals or not all(path):
        raise ConfigError(f"{SET} {change}: write it as in {SET} merge.min_sentences=3")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: {text!r} is not a value in YAML: {str(error).partition(chr(10))[0]}") from None
    section: Any = raw
    location: Location = ()
    for part in path[:-1]:
        inner = _key(section, part)
        location = (*location, inner)
        if isinstance(section, dict) and section.get(inner) is None:
            section[inner] = {}  # a section that is not in the file, or empty there
        section[inner] = copy(_held(section, inner, where, location))  # an alias may give it in other places too
        section = section[inner]
        if not isinstance(section, dict | list):
            raise ConfigError(f"{where}: {'.'.join(map(str, location))} holds a value, not settings")
    last = _key(section, path[-1])
    location = (*location, last)
    if isinstance(section, list):
        _held(section, last, where, location)
    section[last] = value
    for inside in [one for one in places if one[: len(location)] == location]:
        del places[inside]
    places[location] = where


def _key(section: Any, part: str) -> str | int:
    """Return the name of a setting, or a place in a list, counted from 0."""
    return int(part) if isinstance(section, list) and part.isascii() and part.isdigit() else part


def _held(section: Any, key: str | int, where: str, location: Location) -> Any:
    try:
        return section[key]
    except (IndexError, TypeError):
        listed = ".".join(map(str, location[:-1]))
        raise ConfigError(
            f"{where}: {listed} is a list of {len(section)}; name a place in it, counted from 0"
        ) from None


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


def _told(place: str, fault: str) -> str:
    """Join place and fault; a change's place has the name already."""
    return f"{place}: {fault.removeprefix(place.removeprefix(SET).strip() + ': ')}"


def _at(location: Location, places: dict[Location, str], where: str) -> str:
    """Return where a setting is given; if it is missing, the section that should hold it; and changes inside a faulty section."""
    inside = [place for one, place in places.items() if place.startswith(SET) and one[: len(location)] == location]
    place = _nearest(location, places, where)
    others = [change for change in inside if change != place]
    return f"{place} with {' '.join(others)}" if others else place


def _nearest(location: Location, places: dict[Location, str], where: str) -> str:
    """Return where a setting is given; if it is missing, the section that should hold it."""
    while location and location not in places:
        location = location[:-1]
    return places.get(location, where) if location else where


def _line_of(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return "" if mark is None else f":{mark.line + 1}"


def _read_yaml(text: str, path: str) -> tuple[Any, dict[Location, str]]:
    """Return the content of a YAML text, and file and line of each setting. Raises ConfigError for a name that is given twice:
    YAML would silently take the last one."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, {}
        lines: dict[Location, int] = {}
        twice = list(_walk(node, (), lines, set()))
        if twice:
            raise ConfigError("\n".join(f"{path}:{problem}" for problem in twice))
        return loader.construct_document(node), {one: f"{path}:{line}" for one, line in lines.items()}
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
