"""Reading settings files: YAML checked against a model, with errors for people."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from longtake.schemas import storage

Settings = TypeVar("Settings", bound=BaseModel)


class ConfigError(ValueError):
    """The configuration cannot be used; the message says which field, what it holds and what it may hold."""


class Section(BaseModel):
    """A part of a settings file: unknown names are errors, and so are numbers that are none."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def read_settings(path: str, kind: type[Settings], missing: str, reference: str) -> Settings:
    """Read `path` (local or a URI) as `kind`, whose `base` becomes the file's folder.

    `missing` says what to do where there is no such file, `reference` where the settings are described. Raises ConfigError
    with one line for each fault.
    """
    try:
        raw = yaml.safe_load(storage.read_bytes(path).decode("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file. {missing}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that is none, bytes that are not UTF-8
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid settings: nested too deep") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: must hold a mapping of settings, not {type(raw).__name__}")
    base = storage.parent(path) if storage.is_remote(path) else str(Path(path).resolve().parent)
    return check_settings(raw | {"base": base}, kind, path, reference)


def check_settings(raw: dict[str, Any], kind: type[Settings], where: str, reference: str) -> Settings:
    """Validate settings already read. Raises ConfigError with one line for each fault."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{where}: {_explain(fault, reference)}" for fault in error.errors())) from None


def _explain(fault: Any, reference: str) -> str:
    field = ".".join(str(part) for part in fault["loc"]) or "settings"
    if fault["type"] == "extra_forbidden":
        return f"{field}: no such setting. See {reference} for the list."
    return f"{field}: {fault['msg'].removeprefix('Value error, ')}"
