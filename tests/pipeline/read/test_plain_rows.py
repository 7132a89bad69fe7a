"""The quick ways of reading usual rows against the parsers that read all rows: whatever a line holds, both say the same."""

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.parse.lines import Line, parse_json, where
from longtake.pipeline.parse.manifest import ParsedVideo, parse_plain_video, parse_video
from longtake.pipeline.parse.texts import parse_id
from longtake.pipeline.parse.timecode import parse_timecodes
from longtake.pipeline.read import by_clip, line_source
from longtake.pipeline.read.buckets import Buckets, ReadContext
from longtake.pipeline.read.by_clip import texts_by_clip
from longtake.pipeline.read.by_video import lines_by_video, lines_of
from longtake.pipeline.read.line_source import blocks_of, read_block
from longtake.pipeline.read.rows import keyed_text
from longtake.pipeline.run.batches import Batches, table_of
from longtake.schemas.config import parse_config
from longtake.schemas.records import Drop

TEMPLATE = "videos/{video_id}.mp4"
IDS = [
    "v1",
    "v.2",
    "\u00e9",
    'q"uote',
    "back\\slash",
    "",
    "   ",
    " v ",
    "x" * 512,
    "x" * 513,
    7,
    None,
    ["v"],
    "\x7f",
    "\ud800",
]
TIMES = [
    "00:00:01.000",
    "00:00:02,500",
    "00:01:00.000",
    "0:00:01.000",
    "00:00:61.000",
    "\u0661" * 12,
    1.5,
    None,
    "12.5",
    "",
]
TEXTS = [
    "one two",
    "one  two",
    " one",
    "one ",
    "",
    " ",
    "\u200b",
    "caf\u00e9",
    "cafe\u0301",
    "tab\there",
    'a "b"',
    "\x7f",
    3,
    None,
]
WRONG = [
    
    b"",
    b" ",
    b"{",
    b"[1]",
    b"\xff",
    b'{"video_id": "a"}{"video_id": "b"}',
    b"\xef\xbb\xbf{}",
    b'{"video_id": "v1", "\\u0076ideo_id": "v.2", "clip": []}',
    b'{"video_id": "v1", "video_id": "v.2", "clip": []}',
    b'{"clip_id": "a", "text": "\xff"}',
]  # fmt: skip


def mangled(line: bytes, chance: random.Random) -> bytes:
    """A line, one in four with a byte more, less or other."""
    if chance.random() < 0.75 or not line:
        return line
    at = chance.randrange(len(line))
    return (
        line[:at]
        + chance.choice([b"", b"\\", b'"', b"}", b" ", b"\x00", b"\xc3", b"a"])
        + line[at + chance.choice([0, 1]) :]
    )


def written(record: Any, chance: random.Random) -> bytes:
    """The record as JSON, in one of the ways in which programs write it."""
    ascii_only, spaced = chance.random() < 0.5, chance.random() < 0.7
    separators = (", ", ": ") if spaced else (",", ":")
    return json.dumps(record, ensure_ascii=ascii_only, separators=separators).encode("utf-8", "surrogatepass")


def manifest_lines(chance: random.Random) -> Iterator[bytes]:
    for _ in range(1500):
        clips: Any = [
            {
                "clip_id": chance.choice(IDS[:5] * 6 + IDS),
                "span": [chance.choice(TIMES[:3] * 9 + TIMES) for _ in range(2)],
            }
            for _ in range(chance.choice([0, 1, 2, 4]))
        ]
        for clip in clips:
            if chance.random() < 0.05:
                clip["span"] = chance.choice(
                    [None, "00:00:01.000", {"00:00:01.000": 1, "00:00:02.000": 2}, [], ["00:00:01.000"]]
                )
            if chance.random() < 0.05:
                del clip[chance.choice(["clip_id", "span"])]
        record: dict[str, Any] = {
            "video_id": chance.choice(IDS[:2] * 8 + IDS),
            "clip": chance.choice([clips] * 9 + [None, {}, [1]]),
        }
        if chance.random() < 0.3:
            more = [
                ("uri", "http://x/y"),
                ("uri", "a.mp4"),
                ("url", 5),
                ("license", "CC"),
                ("sentences", []),
                ("video_id2", "b"),
            ]
            record |= [*more, ("meta", {"video_id": "c"}), ("meta", "{"), ("meta", {"x": 1e300})][
                chance.randrange(9) :
            ][:1]
        yield mangled(written(record, chance), chance)
    yield from WRONG


def text_lines(chance: random.Random) -> Iterator[bytes]:
    for _ in range(3000):
        record = {"clip_id": chance.choice(IDS[:2] * 4 + IDS), "text": chance.choice(TEXTS[:1] * 3 + TEXTS)}
        if chance.random() < 0.1:
            record["more"] = 1
        if chance.random() < 0.2:
            record = dict(reversed(record.items()))
        yield mangled(written(record, chance), chance)
    yield from WRONG


def context(folder: Path) -> ReadContext:
    source = {"videos": "videos.jsonl", "uri": TEMPLATE, "text": {"format": "hdvila", "path": "text.jsonl"}}
    config = parse_config({"name": "t", "output": "out", "source": source, "base": str(folder)})
    return ReadContext(config, Buckets(3, 5), Batches())


def write(path: Path, lines: Iterator[bytes]) -> list[Line]:
    path.write_bytes(b"".join(line.replace(b"\n", b"") + b"\n" for line in lines))
    (block,) = blocks_of(str(path))
    return list(read_block(block, 1))


@pytest.mark.parametrize("seed", range(3))
def test_usual_records_are_read_as_the_parser_reads_them(seed: int) -> None:
    usual = 0
    for number, data in enumerate(manifest_lines(random.Random(seed)), 1):
        line = Line("videos.jsonl", number, data)
        plain = parse_plain_video(line, TEMPLATE)
        if plain is None:
            continue
        times = parse_timecodes(plain.times).reshape(-1, 2)
        if (times[:, 0] < 0).any() or (times[:, 1] <= times[:, 0]).any():
            continue  # its line goes to the parser
        usual += 1
        whole = parse_video(line, TEMPLATE, own_text=False)
        assert isinstance(whole, ParsedVideo) and whole.usable and not whole.drops, data
        assert whole.video == plain.video, data
        spans = [(clip.clip_id, clip.start_ms, clip.end_ms) for clip in whole.clips]
        assert spans == [(clip_id, *span) for clip_id, span in zip(plain.clip_ids, times.tolist(), strict=True)], data
    assert usual > 150


@pytest.mark.parametrize("seed", range(3))
def test_lines_of_the_manifest_go_with_the_ids_that_the_parser_reads(seed: int, tmp_path: Path) -> None:
    lines = write(tmp_path / "videos.jsonl", manifest_lines(random.Random(seed)))
    (block,) = blocks_of(str(tmp_path / "videos.jsonl"))
    found = list(lines_by_video((block, 1), context(tmp_path), None))
    named = lines_of(one[1] for one in found if not isinstance(one, TaggedOutput))
    name_of = {line.number: name for name, of_it in named.items() for line in of_it}
    dropped = {drop.subject_id for drop in (one.value for one in found if isinstance(one, TaggedOutput))}
    assert sorted(line.number for of_it in named.values() for line in of_it) == sorted(name_of), "each once"
    assert len(name_of) + len(dropped) == len(lines)
    for line in lines:
        record = parse_json(line)
        name = parse_id(record.get("video_id")) if isinstance(record, dict) else None
        if name is None:  # a line that begins like a usual one is parsed, and dropped, where its bucket is read
            assert isinstance(parse_video(line, TEMPLATE), Drop)
            assert where(line) in dropped or line.number in name_of
        else:
            assert name_of[line.number] == name
    assert len(named) > 5 and len(dropped) > 100


@pytest.mark.parametrize("seed", range(3))
def test_usual_texts_are_read_as_the_parser_reads_them(seed: int, tmp_path: Path) -> None:
    lines = write(tmp_path / "text.jsonl", text_lines(random.Random(seed)))
    rows, drops = [], []
    for line in lines:
        for one in keyed_text(line):
            if isinstance(one, TaggedOutput):
                drops.append(one.value)
            else:
                rows.append((one[0], one[1][0], line.number))
    (block,) = blocks_of(str(tmp_path / "text.jsonl"))
    found = list(texts_by_clip((block, 1), context(tmp_path)))
    assert [one.value for one in found if isinstance(one, TaggedOutput)] == drops
    tables = [table_of(one[1]) for one in found if not isinstance(one, TaggedOutput)]
    read = [tuple(row[name] for name in ("clip_id", "text", "number")) for table in tables for row in table.to_pylist()]
    assert sorted(read) == sorted(rows)
    assert len(rows) > 1000 and len(drops) > 300


def test_long_lines_of_a_gzip_file_travel_in_several_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All in one table would be more than Arrow's texts can hold, and more than memory can."""
    monkeypatch.setattr(line_source, "_PIECE_BYTES", 1000)
    monkeypatch.setattr(by_clip, "_MOST_BYTES", 2000)
    texts = {f"c{n}": f"{n} " + "ab" * 200 for n in range(20)}
    with gzip.open(tmp_path / "text.jsonl.gz", "wb") as stream:
        stream.writelines(
            written({"clip_id": name, "text": text}, random.Random(1)) + b"\n" for name, text in texts.items()
        )
    (block,) = blocks_of(str(tmp_path / "text.jsonl.gz"))
    assert [len(piece) for piece in line_source.pieces_of(block)] == [3] * 6 + [2]
    tables = [table_of(one[1]) for one in texts_by_clip((block, 1), context(tmp_path))]
    assert {row["clip_id"]: row["text"] for table in tables for row in table.to_pylist()} == texts
    assert max(table.nbytes for table in tables) < 4000
