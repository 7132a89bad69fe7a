"""The log of a job: events with fields, one on each line, from the steps and from the command. Off by default.

A field is an id, a number, a reason or an error message, never the text of a sentence. Characters that could act on a terminal
are escaped, and anything like a credential is struck out. docs/operations.md lists the events.
"""

import json
import logging
import os
import re
import sys
import time
from typing import Any, TextIO

from longtake.schemas.errors import ConfigError
from longtake.schemas.printable import printable

Field = str | int | float | bool | None

#: These variables set form and level where a command has no option: LONGTAKE_LOG=json, LONGTAKE_LOG_LEVEL=debug.
FORM, LEVEL = "LONGTAKE_LOG", "LONGTAKE_LOG_LEVEL"
_FORMS = ("json", "text")
_LEVELS = ("debug", "info", "warning", "error")
_LIMIT = 500  # characters of a field

_LOGGER = logging.getLogger("longtake")
_LOGGER.addHandler(logging.NullHandler())  # else Python prints warnings by itself

_SECRETS = (
    (re.compile(r"(?<=//)[^/@\s]*:[^/@\s]*(?=@)"), "***"),  # user and password in a URL
    (
        re.compile(
            r"(?i)((?:[\w.%-]*(?:token|secret|passw(?:or)?d|signature|credential|access.?key|api.?key)[\w-]*|\bsig)"
            r"[\"']?\s*(?:=|:|%3d)\s*[\"']?)[^\s&\"',;]+"
        ),
        r"\1***",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w+/=.~-]{8,}"), r"\1 ***"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bya29\.[\w-]+"), "***"),  # ids of AWS keys, tokens of Google
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*", re.DOTALL), "***"),
)


class Event:
    """The message of a log record: a name and fields. It becomes text only when it is read."""

    __slots__ = ("fields", "name")

    def __init__(self, name: str, fields: dict[str, Field]) -> None:
        self.name, self.fields = name, fields

    def to_json(self) -> dict[str, Field]:
        return {"event": self.name, **{name: _clean(value) for name, value in self.fields.items()}}

    def __str__(self) -> str:
        """The event in the form that LONGTAKE_LOG asks for. A worker hands this text to the log of its runner."""
        return _text(self.to_json(), os.environ.get(FORM) or "text")


def event(level: int, name: str, **fields: Field) -> None:
    """Log the event `name`. Costs almost nothing if logging is off."""
    if _LOGGER.isEnabledFor(level):
        _LOGGER.log(level, Event(name, fields))


def is_logged(level: int) -> bool:
    """Whether events of this level go anywhere."""
    return _LOGGER.isEnabledFor(level)


def redacted(text: str) -> str:
    """`text` with everything that looks like a credential struck out."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def _clean(value: Field) -> Field:
    return printable(redacted(value), _LIMIT) if isinstance(value, str) else value


def _text(fields: dict[str, Field], form: str) -> str:
    if form == "json":
        return json.dumps(fields, ensure_ascii=False)
    name = fields["event"]
    return " ".join([str(name), *(f"{k}={_word(v)}" for k, v in fields.items() if k != "event" and v is not None)])


def _word(value: Field) -> str:
    text = str(value)
    return text if re.fullmatch(r"[^\s\"=]+", text) else json.dumps(text, ensure_ascii=False)


class _Lines(logging.Formatter):
    """Formats each record as one line: time, level, message."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        message = record.msg if isinstance(record.msg, Event) else Event("message", {"text": record.getMessage()})
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        level = record.levelname.lower()
        if self._form == "json":
            return _text({"time": when, "level": level, **message.to_json()}, "json")
        return f"{when} {level:<7} {_text(message.to_json(), 'text')}"


def log_as_asked(json_lines: bool = False, stream: TextIO | None = None, at_least: str = "") -> None:
    """Log to `stream`, by default standard error, as LONGTAKE_LOG and LONGTAKE_LOG_LEVEL ask. Log nothing if neither is set.

    `json_lines` means LONGTAKE_LOG=json; `at_least` is the level if LONGTAKE_LOG_LEVEL is not set. Raises ConfigError.
    """
    form, level = os.environ.get(FORM, ""), os.environ.get(LEVEL, "") or at_least
    for name, value, known in ((FORM, form, _FORMS), (LEVEL, level, _LEVELS)):
        if value and value not in known:
            raise ConfigError(f"{name}={value}: must be one of {', '.join(known)}")
    if json_lines:
        form = os.environ[FORM] = "json"
    for handler in [h for h in _LOGGER.handlers if isinstance(h.formatter, _Lines)]:
        _LOGGER.removeHandler(handler)
    _LOGGER.propagate = False
    if not (form or level):
        _LOGGER.setLevel(logging.CRITICAL + 1)
        return
    shown: logging.Handler = logging.StreamHandler(stream or sys.stderr)
    shown.setFormatter(_Lines(form or "text"))
    _LOGGER.addHandler(shown)
    _LOGGER.setLevel((level or "info").upper())


def log_in_pool() -> None:
    """Log to standard error as LONGTAKE_LOG and LONGTAKE_LOG_LEVEL ask, in a worker that sends its log to no runner.

    Beam's worker pools (2.77) start such workers. What they print is in the log of the pool.
    """
    sent = logging.getLogger().handlers or any(isinstance(handler.formatter, _Lines) for handler in _LOGGER.handlers)
    if not sent and (os.environ.get(FORM) or os.environ.get(LEVEL)):
        log_as_asked()


__all__: list[Any] = ["Event", "Field", "event", "log_as_asked", "log_in_pool", "redacted"]
