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

from longtake.pipeline.find.folder import videos_in
from longtake.pipeline.parse.caption_file import read_entries
from longtake.pipeline.parse.lines import Line
from longtake.pipeline.parse.manifest import ParsedVideo, parse_video
from longtake.pipeline.parse.texts import parse_group, parse_text
from longtake.pipeline.parse.timecode import MAX_MS
from longtake.pipeline.parse.transcripts.parse import FORMATS, parse_transcript
from longtake.pipeline.read.chapters import chapter_starts
from longtake.pipeline.recipes.metadata import is_in_blocks, joined_line, lines_of_file, lines_of_row
from longtake.pipeline.recipes.registry import RECIPES
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


# -- metadata of published data sets, and names of files --------------------------------------------------------------

_CLIP = {"YoutubeID": "v", "Start_timestamp": "00:00:01.000", "End_timestamp": "00:00:02.000", "Caption": "A bear."}
#: Recipe, suffix and content of small files.
METADATA = (
    ("panda70m", ".csv", b"videoID,url,timestamp,caption\nv,u,\"[['0:00:05.0', '0:00:09.0']]\",\"['A bear.']\"\n"),
    ("webvid", ".csv", b"videoid,contentUrl,duration,page_dir,name\n1,u,PT00H00M11S,p,A bear.\n2,u,PT5S,p,Two.\n"),
    ("activitynet", ".json", b'{"v_a": {"duration": 9.5, "timestamps": [[0.8, 9.0]], "sentences": ["A bear."]}}'),
    ("youcook2", ".json", b'{"database": {"a": {"annotations": [{"segment": [2, 3], "sentence": "Cut."}], "duration": 9}}}'),
    ("howtocaption", ".json", b'{"a": {"start": [1, 2], "end": [3, 4], "text": [["A"], [["B", 0.5]]]}}'),
    ("vidchapters7m", ".json", b'{"a": {"duration": 9, "chapters": [{"time": 0, "label": "One"}]}}'),
    ("internvid", ".jsonl", json.dumps(_CLIP).encode()),
    ("yttemporal1b", ".jsonl", b'{"info": {"id": "a", "duration": 9}, "subtitles": [{"word": "a", "time": 1.5}]}'),
    ("finevideo", ".jsonl", b'{"json": {"original_video_filename": "a.mp4", "timecoded_text_to_speech": []}}'),
)  # fmt: skip


def check_metadata(case: tuple[tuple[str, str, bytes], list[Any]]) -> None:
    (name, suffix, data), edit = case
    recipe, data = RECIPES[name], changed(data, edit)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"metadata{suffix}")
        path.write_bytes(data)
        if is_in_blocks(str(path)):
            rows = [Line(str(path), number, row) for number, row in enumerate(data.split(b"\n"), 1) if row]
            found = [one for row in rows for one in lines_of_row(row, recipe)]
        else:
            found = list(lines_of_file(str(path), recipe))
        assert all(folder not in one.detail for one in found if isinstance(one, Drop)), "no path of this machine"
    check_drops(one for one in found if isinstance(one, Drop))
    made = [one for one in found if not isinstance(one, Drop)]
    for video_id in {video_id for video_id, _ in made}:
        lines = [line for name, line in made if name == video_id]
        for line in [joined_line(lines, recipe)] if recipe.joined is not None else lines:
            assert isinstance(line.data, bytes)
            check_line(line.data)


names = st.lists(
    st.text(st.sampled_from("ab.-[] \n\ud800é"), min_size=1, max_size=5).flatmap(
        lambda stem: st.sampled_from(
            [
                ".mp4",
                ".webm",
                ".en.vtt",
                ".json",
                ".info.json",
                ".mp4.part",
                ".f137.mp4",
                ".temp.mkv",
                ".srt",
                ".mp4.srt",
                "",
            ]
        ).map(lambda suffix: stem + suffix)
    ),
    max_size=12,
    unique=True,
)


def check_names(found: list[str]) -> None:
    folder = videos_in("inside", found)
    check_drops(folder.drops)
    ids = [video.video_id for video in folder.videos]
    assert len(set(ids)) == len(ids)
    used = [path for video in folder.videos for path in (video.path, *(path for path, _ in video.transcripts))]
    assert len(set(used)) == len(used), "each file belongs to one video"
    assert {path.removeprefix("inside/") for path in used} <= set(found)
    for video in folder.videos:
        parsed = parse_video(Line(video.path, 0, video.record("folder")), None, own_transcripts=True)
        assert isinstance(parsed, ParsedVideo)
        assert len(parsed.transcripts) == len(video.transcripts)


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
