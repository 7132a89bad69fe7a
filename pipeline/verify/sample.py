"""Check one sample of a shard: compare the contents of its files with its index row."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import simplejpeg

from longtake.pipeline.corpus.faults import short
from longtake.pipeline.merge.frame_times import frame_sentence
from longtake.pipeline.verify.tar_walk import TarMember
from longtake.schemas import tables
from longtake.schemas.layout import MEMBER_JSON, MEMBER_TEXT

_MAX_PIXELS = 8192 * 4320


def sample_faults(members: Sequence[TarMember], row: dict[str, Any]) -> Iterator[str]:
    """Yield the faults of a sample. `members` are its files in the tar."""
    for member, said in zip(members, row["members"], strict=False):
        if (member.name, member.offset, len(member.data)) != (said["name"], said["offset"], said["size"]):
            yield (
                f"the index says {said['name']} at {said['offset']} of {said['size']} bytes; "
                f"the tar has {member.name} at {member.offset} of {len(member.data)}"
            )
            break
    if len(members) != len(row["members"]):
        yield f"the index lists {len(row['members'])} members; the tar has {len(members)}"
    digest = hashlib.sha256()
    for member in members:
        digest.update(member.data)
    if digest.hexdigest() != row["sha256"]:
        yield "the data does not have the sha256 of the index"
    for member in members:
        if member.extension == MEMBER_JSON:
            yield from _json_faults(member.data, row)
        elif member.extension == MEMBER_TEXT:
            if member.data != row["paragraph"].encode():
                yield ".txt is not the sentences joined by one space"
        else:
            yield from _jpeg_faults(member, (row["frame_height"], row["frame_width"]))


def _jpeg_faults(member: TarMember, size: tuple[int, int]) -> Iterator[str]:
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(member.data)
        if (height, width) != size:
            yield f".{member.extension} is {width}x{height}; frame_size is {size[1]}x{size[0]}"
        elif height * width <= _MAX_PIXELS:
            simplejpeg.decode_jpeg(member.data, "GRAY")  # reads all of the data; strict, so a warning is an error
    except ValueError as error:
        yield f".{member.extension} does not decode: {error}"


def _json_faults(data: bytes, row: dict[str, Any]) -> Iterator[str]:
    try:
        found = json.loads(data)
        if not isinstance(found, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        yield f".json is not readable: {error}"
        return
    for name, is_right in _CONTRACT.items():
        if name not in found:
            yield f".json: {name} is missing"
        elif not is_right(found[name]):
            yield f".json: {name} is {short(found[name])}, which is of the wrong type"
    for name in sorted(set(found) - set(_CONTRACT)):
        yield f".json: {short(name)} is not a field of a sample"
    for name, wanted in _expected(row).items():
        if name in found and _CONTRACT[name](found[name]) and found[name] != wanted:
            yield f".json: {name} is {short(found[name])}; the index makes it {short(wanted)}"


def _expected(row: dict[str, Any]) -> dict[str, Any]:
    """The content that the .json of an index row must have."""
    same = ["key", "video_id", "url", "license", "split", "shard", "position", "start_ms", "end_ms"]
    same += ["frame_times_ms", "frame_pts_ms"]
    per_sentence = len(row["frame_times_ms"]) // max(len(row["sentences"]), 1)
    return {name: row[name] for name in same} | {
        "sentences": [tables.sentence_json(tables.sentence_from_row(s)) for s in row["sentences"]],
        "frame_sentence": list(frame_sentence(len(row["sentences"]), per_sentence)),
        "frame_size": [row["frame_height"], row["frame_width"]],
        "source": {name: row[f"source_{name}"] for name in _SOURCE}
        | {name: row[f"source_{name}"] for name in tables.SOURCE_COLOR if row.get(f"source_{name}") is not None},
        "meta": _meta(row["meta"]),
    }


def _meta(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None  # no sample has this meta; the check of the index reports it


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_int(value) or isinstance(value, float)


def _are_ints(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_int, value))


def _has(fields: Mapping[str, Callable[[Any], bool]], optional: Collection[str] = ()) -> Callable[[Any], bool]:
    """Return a check that a value is an object with exactly these fields, of these types, and perhaps the texts `optional`."""
    return lambda value: (
        isinstance(value, dict)
        and set(value).difference(optional) == set(fields)
        and all(check(value[f]) for f, check in fields.items())
        and all(_is_text(value.get(name, "")) for name in optional)
    )


_SOURCE = {"width": _is_int, "height": _is_int, "fps": _is_number, "codec": _is_text, "duration_ms": _is_int}
_is_sentence = _has(
    {"clip_id": _is_text, "start_ms": _is_int, "end_ms": _is_int, "text": _is_text}, ("timing", "asr", "speaker")
)
_CONTRACT: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("key", "video_id", "url", "license", "split", "shard"), _is_text),
    **dict.fromkeys(("position", "start_ms", "end_ms"), _is_int),
    "sentences": lambda value: isinstance(value, list) and all(map(_is_sentence, value)),
    **dict.fromkeys(("frame_times_ms", "frame_pts_ms", "frame_sentence"), _are_ints),
    "frame_size": lambda value: _are_ints(value) and len(value) == 2,
    "source": _has(_SOURCE, tables.SOURCE_COLOR),
    "meta": lambda value: isinstance(value, dict),
}
