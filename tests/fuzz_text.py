"""Fuzzing of text: transcripts, manifests and the other line files. What they are made of, and what must hold of the outcome."""

import contextlib
import functools
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
from fuzz_mutation import changed, edits
from hypothesis import strategies as st
from sources import SHARED, timecode

from longtake.pipeline.parse.caption_file import read_entries
from longtake.pipeline.parse.lines import Line
from longtake.pipeline.parse.manifest import ParsedVideo, parse_video
from longtake.pipeline.parse.texts import parse_group, parse_text
from longtake.pipeline.parse.timecode import MAX_MS
from longtake.pipeline.parse.transcripts.parse import FORMATS, parse_transcript
from longtake.pipeline.read.chapters import chapter_starts
from longtake.pipeline.text.video_text import finish_transcript
from longtake.schemas.config import CorpusConfig, parse_config
from longtake.schemas.records import Drop, Sentence

# -- what must hold of all text that comes out -------------------------------------------------------------------------


def check_text(text: str, lines: bool = False) -> None:
    """`text` can be stored, and does nothing to a terminal but, with `lines`, end a line or speaker's turn."""
    text.encode()
    allowed = "\n\x1e" if lines else ""
    assert not [c for c in text if (ord(c) < 32 or 127 <= ord(c) < 160) and c not in allowed and c != "\x85"], repr(
        text
    )


def check_drops(drops: Iterable[Drop]) -> None:
    for drop in drops:
        pa.table({"detail": [drop.detail], "id": [drop.subject_id], "video_id": [drop.video_id]})
        check_text(drop.detail)
        assert len(drop.detail) < 5000, "a detail does not quote a whole file"


def check_sentences(sentences: Iterable[Sentence]) -> None:
    for sentence in sentences:
        assert 0 <= sentence.start_ms < sentence.end_ms <= 2 * MAX_MS, sentence
        assert sentence.text.strip() == sentence.text != ""
        check_text(sentence.text)


# -- transcripts -------------------------------------------------------------------------------------------------------

_SPANS = [(1000 * i, 1000 * i + 900, f"This is sentence {i}, and it says so.") for i in range(1, 6)]


def written(format: str) -> bytes:
    """A small transcript in each format."""
    if format in ("vtt", "srt"):
        point = "." if format == "vtt" else ","
        cues = "".join(
            f"{i}\n{timecode(a, point)} --> {timecode(b, point)}\n<c>{t}</c>\n\n" for i, (a, b, t) in enumerate(_SPANS)
        )
        return (("WEBVTT\n\nSTYLE\n::cue { color: red }\n\n" if format == "vtt" else "") + cues).encode()
    if format == "json3":
        events = [
            {"tStartMs": a, "dDurationMs": b - a, "segs": [{"utf8": w + " "} for w in t.split()]} for a, b, t in _SPANS
        ]
        return json.dumps({"wireMagic": "pb3", "events": events}).encode()
    if format == "srv3":
        body = "".join(f'<p t="{a}" d="{b - a}"><s t="0">{t}</s></p>' for a, b, t in _SPANS)
        return f'<?xml version="1.0"?><timedtext format="3"><body>{body}</body></timedtext>'.encode()
    if format == "ttml":
        body = "".join(f'<p begin="{timecode(a)}" end="{timecode(b)}">{t}<br/>&eacute;</p>' for a, b, t in _SPANS)
        return f'<tt xmlns="http://www.w3.org/ns/ttml"><body><div>{body}</div></body></tt>'.encode()
    if format == "whisper":
        segments = [{"start": a / 1000, "end": b / 1000, "text": t, "no_speech_prob": 0.1} for a, b, t in _SPANS]
        return json.dumps({"segments": segments, "language": "en"}).encode()
    if format == "howto100m":
        return ("start,end,text\n" + "".join(f'{a / 1000},{b / 1000},"{t}"\n' for a, b, t in _SPANS)).encode()
    columns = {
        "start": [a / 1000 for a, _, _ in _SPANS],
        "end": [b / 1000 for _, b, _ in _SPANS],
        "text": [t for *_, t in _SPANS],
    }
    return json.dumps(columns).encode()


def transcripts() -> list[tuple[str, bytes]]:
    """Transcripts to start from: one of each format, and the real ones that are small."""
    kinds = {".vtt": "vtt", ".srt": "srt", ".json": "whisper", ".static": "srv3"}
    real = [p for name in ("transcripts", "odd") for p in sorted(SHARED.glob(f"data/{name}/*")) if p.suffix in kinds]
    found = [(format, written(format)) for format in FORMATS]
    return found + [(kinds[p.suffix], p.read_bytes()) for p in real if p.stat().st_size < 30_000]


ENCODINGS = ("utf-8", "utf-8", "cp1252", "shift_jis", "utf-16")


@functools.cache
def _settings(name: str) -> CorpusConfig:
    """A configuration that reads transcripts of a format, which sorts the text in all ways that need no model."""
    text = {"format": name, "path": "subs/{video_id}.txt"}
    source = {"videos": "videos.jsonl", "uri": "videos/{video_id}.mp4", "text": text}
    return parse_config({"name": "fuzz", "output": "out", "base": "/nowhere", "source": source})


def check_transcript(case: tuple[tuple[str, bytes], list[Any], str, bool]) -> None:
    (format, data), edit, encoding, guess = case
    data = changed(data, edit)
    found = parse_transcript(data, "v", "/home/someone/v.txt", "auto" if guess else format, encoding)
    for cue in found.cues:
        cue.text.encode()
        assert isinstance(cue.start_ms, int)
        assert 0 <= cue.start_ms < cue.end_ms
        assert not cue.words or cue.words[0][0] == 0
    text = finish_transcript(found, "v", _settings(format))
    check_sentences(text.sentences)
    check_drops(text.drops)
    assert all("/home/someone" not in drop.detail for drop in text.drops), "no path of this machine"


# -- manifests and the other line files --------------------------------------------------------------------------------

_RECORDS = [
    {"video_id": "v1", "url": "https://example.org/v", "clip": [{"clip_id": "v1.1", "span": ["00:00:01.000", "00:00:02.5"]}]},
    {"video_id": "v2", "uri": "videos/v2.mp4", "license": "CC0", "meta": {"a": [1, {"b": None}]},
     "sentences": [{"start": 1.5, "end": "2.5", "text": "Said."}, {"clip_id": "x", "start_ms": 3, "end_ms": 4, "text": "So."}]},
    {"clip_id": "v1.1", "text": "Hello there."},
    {"clip_id": ["a.1", "a.2", ["a.3", "text"]]},
    {"chapters": [{"start_time": 0, "title": "One"}, {"start_time": "00:01:00"}, 90]},
]  # fmt: skip
_KEYS = st.sampled_from(
    ["video_id", "clip_id", "uri", "url", "license", "meta", "clip", "sentences", "span", "start", "end", "start_ms", "end_ms",
     "text", "chapters", "timestamps", "start_time", "x"]
)  # fmt: skip
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(["00:00:01.000", "../../x", "\x1b[31m", "file:///etc/passwd", "\ud800", "1e999", "<b>", "v1", 2**70, "v1.1"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS | st.text(max_size=5), inner, max_size=5),
    max_leaves=12,
)


def is_utf8(value: Any) -> bool:
    try:
        return bool(json.dumps(value, ensure_ascii=False, default=str).encode())
    except UnicodeEncodeError:
        return False


lines = st.one_of(
    st.tuples(st.sampled_from([json.dumps(record).encode() for record in _RECORDS]), edits).map(
        lambda case: changed(*case)
    ),
    st.dictionaries(_KEYS, values, max_size=8).filter(is_utf8),  # as from Parquet
    st.dictionaries(_KEYS, values, max_size=8).map(lambda value: json.dumps(value).encode()),
)


def check_line(data: bytes | dict[str, Any]) -> None:
    line = Line("/home/someone/videos.jsonl", 7, data)
    for own_text in (True, False):
        found = parse_video(line, "videos/{video_id}.mp4", own_text)
        if isinstance(found, ParsedVideo):
            check_drops(found.drops)
            json.loads(found.video.meta)
            found.video.uri.encode()
            for clip in found.clips:
                assert 0 <= clip.start_ms < clip.end_ms <= 2 * MAX_MS
                check_text(clip.text or "")
        else:
            check_drops([found])
    for parsed in (parse_text(line), parse_group(line)):
        if isinstance(parsed, Drop):
            check_drops([parsed])
        elif isinstance(parsed, tuple):
            check_text(parsed[1])
    with contextlib.suppress(ValueError):
        assert all(
            isinstance(start, int) for start in chapter_starts(data if isinstance(data, dict) else json.loads(data))
        )


def all_captions() -> bytes:
    """The captions of three videos in one file."""
    return json.dumps({f"v{i}": json.loads(written("vidchapters")) for i in range(3)}).encode()


def check_captions(case: tuple[bytes, list[Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "caption.json")
        path.write_bytes(changed(*case))
        for found in read_entries(str(path)):
            if isinstance(found, Drop):
                check_drops([found])
                assert folder not in found.detail
