"""One line of an input file, or one row of a Parquet table, and the JSON in it. Nothing here trusts what it reads."""

import json
import posixpath
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop

MAX_DEPTH = 64  # of nested lists and objects; no real record needs ten
_FIX = "write one JSON object per line"
_QUOTED = 80  # characters of a faulty text that a detail shows

# Signs in the raw bytes of an escaped surrogate and of a number beyond a float; only a full walk can rule them out.
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_EXPONENT = re.compile(rb"[eE]\+?[0-9]{2}")
_ZEROS = bytes(ord("0") if code in b"0123456789" else code for code in range(256))
_LONG_NUMBER = b"0" * 300


@dataclass(frozen=True, slots=True)
class Line:
    """Line `number` (from 1) of `file`: its bytes or, if `file` is a Parquet table, the row itself."""

    file: str
    number: int
    data: bytes | dict[str, Any]


class _NotUtf8(ValueError):
    pass


def base_name(file: str) -> str:
    """The last part of a path or URI. It names a file, but not the machine that holds it."""
    return posixpath.basename(file.rstrip("/")) or file


def where(line: Line) -> str:
    """The place of a line, for people: `videos.jsonl:17`, for Parquet `videos.parquet row 17`."""
    return place(line.file, line.number, is_row=not isinstance(line.data, bytes))


def place(file: str, number: int, is_row: bool) -> str:
    """The place of line `number`, or of a row of a Parquet table, for people. Line 0 is the file itself."""
    if not number:
        return base_name(file)
    return f"{base_name(file)}{' row ' if is_row else ':'}{number}"


def quoted(value: object) -> str:
    """Return `value` for a message: in quotes, escaped, shortened, on one line."""
    text = value if isinstance(value, str) else repr(value)
    return repr(text if len(text) <= _QUOTED else text[:_QUOTED] + "...")


def bad_record(line: Line, reason: Reason, problem: str, video_id: str = "") -> Drop:
    """The ledger row of a line that cannot be used."""
    place = where(line)
    return Drop(video_id, Subject.RECORD, place, Stage.READ, reason, f"{place}: {problem}")


def parse_json(line: Line, nan_is_null: bool = False) -> dict[str, Any] | Drop:
    """The JSON object of a line; a Drop if it holds anything else. Null columns of a Parquet row are not in it."""
    value = parse_json_value(line, nan_is_null)
    if isinstance(value, list):
        return bad_record(line, Reason.MALFORMED, f"holds a list, not a JSON object; {_FIX}")
    return value


def parse_json_value(line: Line, nan_is_null: bool = False) -> dict[str, Any] | list[Any] | Drop:
    """The JSON object or list of a line; a Drop if it holds anything else."""
    if not isinstance(line.data, bytes):
        return {name: value for name, value in line.data.items() if value is not None}
    try:
        value = load_json(line.data, nan_is_null)
    except _NotUtf8 as error:
        return bad_record(line, Reason.INVALID_UTF8, f"{error}; save the file as UTF-8")
    except ValueError as error:
        return bad_record(line, Reason.MALFORMED, f"{error}; {_FIX}")
    if not isinstance(value, dict | list):
        return bad_record(line, Reason.MALFORMED, f"holds {quoted(value)}, not a JSON object; {_FIX}")
    return value


def load_json(data: bytes, nan_is_null: bool = False) -> Any:
    """Parse a JSON text. Raises ValueError, also for NaN, infinity, lone surrogates and deep nesting. With `nan_is_null`, NaN is
    read as null: some data sets write it for an unknown time."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise _NotUtf8("is UTF-16") from None
        raise _NotUtf8(f"byte 0x{data[error.start]:02x} at position {error.start} is not UTF-8") from None
    try:
        value = json.loads(text, parse_constant=_nan_is_null if nan_is_null else _no_constant)
    except json.JSONDecodeError as error:
        around = text[max(0, error.pos - 10) : error.pos + 30]
        raise ValueError(f"not JSON: {error.msg} (column {error.pos + 1}, near {quoted(around)})") from None
    except RecursionError:
        raise ValueError(f"not JSON of ours: nested more than {MAX_DEPTH} deep") from None
    # The parser's own depth limit depends on the caller. This limit must not, or the ledger would differ by runner.
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and depth_exceeds(value, MAX_DEPTH):
        raise ValueError(f"not JSON of ours: nested more than {MAX_DEPTH} deep")
    if _may_not_encode(data):
        _check_encodable(value)
    return value


def _may_not_encode(data: bytes) -> bool:
    return bool(
        (b"\\u" in data and _SURROGATE_ESCAPE.search(data))
        or _EXPONENT.search(data)
        or (len(data) >= len(_LONG_NUMBER) and _LONG_NUMBER in data.translate(_ZEROS))
    )


def canonical_json(value: Any, *, strict: bool = True) -> str:
    """The one JSON text of `value`: sorted keys, no spaces, characters unescaped.

    Raises ValueError for values that JSON cannot hold. With `strict=False`, such values (a date in a Parquet row, NaN) become
    text.
    """
    try:
        return json.dumps(
            value,
            sort_keys=True,
            ensure_ascii=False,
            separators=(",", ":"),
            allow_nan=not strict,
            default=None if strict else repr,
        )
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _nan_is_null(name: str) -> None:
    if name != "NaN":
        _no_constant(name)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"not JSON: {name} is no JSON number")


def _check_encodable(value: Any) -> None:
    try:
        canonical_json(value).encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        raise _NotUtf8(f"holds the lone surrogate \\u{code:04x}, which no UTF-8 text can") from None
    except ValueError:
        raise ValueError("not JSON of ours: a number is too large") from None


def depth_exceeds(value: Any, limit: int) -> bool:
    """Whether lists and objects are nested more than `limit` deep."""
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
