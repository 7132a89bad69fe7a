"""The type of JSON values, as a card states it for `datasets.load_dataset`."""

from functools import reduce
from typing import Any, TypeAlias

#: The type of a JSON value: None (only null was seen), a name of `datasets`, a list of a type, or the fields of an object.
JsonType: TypeAlias = "str | list[JsonType] | dict[str, JsonType] | None"
ANY = "json"  # values that have no one type, here or further in
UNREADABLE = "unreadable"  # a number among them that no version of the library can read
_DEPTH = 8  # of nesting; what is deeper is ANY
_FIELDS = 200  # of an object; one with more has ids for names, and is ANY
_LEAST, _MOST_INT64, _MOST = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1  # whole numbers that `json` can hold


def type_of(value: Any, depth: int = 0) -> JsonType:
    """The type of a parsed JSON value."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64" if _LEAST <= value <= _MOST_INT64 else ANY if 0 < value <= _MOST else UNREADABLE
    if isinstance(value, float):
        return "float64"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return _bounded([reduce(joined, (type_of(one, depth + 1) for one in value), None)], depth)
    return _bounded({name: type_of(one, depth + 1) for name, one in value.items()}, depth)


def joined(one: JsonType, other: JsonType) -> JsonType:
    """The type of values that are of either type."""
    if one == other or other is None:
        return one
    if one is None:
        return other
    if isinstance(one, dict) and isinstance(other, dict):
        return _bounded({name: joined(one.get(name), other.get(name)) for name in one | other})
    if isinstance(one, list) and isinstance(other, list):
        return _bounded([joined(one[0], other[0])])
    if UNREADABLE in (one, other):
        return UNREADABLE
    return "float64" if {str(one), str(other)} == {"int64", "float64"} else ANY


def _bounded(kind: list[JsonType] | dict[str, JsonType], depth: int = 0) -> JsonType:
    """The type of a list or object, unless it has no one type."""
    inner = kind if isinstance(kind, list) else kind.values()
    if UNREADABLE in inner:
        return UNREADABLE
    return ANY if ANY in inner or len(kind) > _FIELDS or depth >= _DEPTH else kind


def feature(kind: JsonType) -> dict[str, Any]:
    """A type in the words of the front matter: `{dtype: ...}`, `{list: ...}` or `{struct: ...}`."""
    if isinstance(kind, dict):
        return {"struct": [{"name": name, **feature(kind[name])} for name in sorted(kind)]}
    if isinstance(kind, list):
        of = feature(kind[0])
        return {"list": of.get("struct") or of.get("dtype") or of}
    return {"dtype": kind or "string"}
