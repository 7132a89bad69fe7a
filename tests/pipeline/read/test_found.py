"""Templates with an open end, folders as sources, and records that name their transcripts: what the reading graph makes of them,
and that it lists each folder once and asks for no file by name."""

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fsspec
import pytest
from reading import read
from sources import spoken, subtitles
from test_read_graph import record, rows, texts_of, write

from longtake.pipeline.explain.read import read_video
from longtake.pipeline.parse.lines import Line
from longtake.pipeline.parse.manifest import parse_video
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig, parse_config
from longtake.schemas.reasons import Reason, Subject
from longtake.schemas.records import Drop


def config_of(base: Path | str, **source: Any) -> CorpusConfig:
    return parse_config({"name": "t", "output": "out", "source": source, "base": str(base)})


def lay_out(root: Path | str, files: dict[str, str]) -> None:
    for name, content in files.items():
        storage.write_bytes(storage.join(str(root), name), content.encode())


def cues(says: str, kind: str = "vtt") -> str:
    return subtitles(spoken(2, says=says), kind)


def said(videos: Sequence[Any]) -> dict[str, str]:
    """What each video begins with."""
    return {v.video.video_id: v.sentences[0][0].text.partition(" number")[0] for v in videos}


def details(drops: Sequence[Drop], subject: Subject) -> dict[str, str]:
    return {d.video_id: d.detail for d in drops if d.subject is subject}


WHISPER = '{"segments": [{"start": 0, "end": 1, "text": "By a recogniser number 1."}]}'


def test_templates_with_an_open_end_find_what_is_there(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {
            "videos/a.webm": "", "videos/b.mkv": "", "videos/b.mp4": "", "videos/b.mp4.part": "", "more/c.bin": "",
            "subs/a.en.vtt": cues("english"), "subs/a.fr.vtt": cues("french"),
            "subs/b.json": WHISPER, "subs/b.srt": cues("as srt", "srt"),
            "subs/d.json": '{"a": 1}', "subs/d.srt": cues("as srt", "srt"),
            "subs/c.json": '{"a": 1}', "subs/c.ass": "", "auto/a.en.vtt": cues("automatic"), "auto/e.en.vtt": cues("automatic"),
        },
    )  # fmt: skip
    write(tmp_path / "videos.jsonl", [{"video_id": name} for name in "abcdef"] + [{"video_id": "g", "uri": "x/g.mp4"}])
    config = config_of(
        tmp_path,
        videos="videos.jsonl",
        uri=["videos/{video_id}.{ext}", "more/{video_id}.bin"],
        text={"format": "auto", "path": ["subs/{video_id}*", "auto/{video_id}.{ext}", "auto/{video_id}*"]},
    )
    videos, drops = read(config)
    assert said(videos) == {"a": "english", "b": "By a recogniser", "d": "as srt", "e": "automatic"}
    assert {v.video.video_id: v.video.uri for v in videos} == {
        "a": "videos/a.webm",
        "b": "videos/b.mp4",
        "d": "videos/d.{ext}",  # no such file: the ledger says so where sources are looked at
        "e": "videos/e.{ext}",
    }
    assert rows(drops, Subject.VIDEO) == [(name, name, Reason.NO_TEXT) for name in "cfg"]
    assert details(drops, Subject.VIDEO)["f"] == "no file subs/f* or no file auto/f.{ext} or no file auto/f*"
    notes = [(d.video_id, d.detail) for d in drops if d.subject is Subject.NOTE]
    assert notes == [
        ("a", "subs/a.en.vtt is used; there is also subs/a.fr.vtt"),
        ("b", "videos/b.mp4 is used; there are also videos/b.mkv"),
        ("c", "no cue in subs/c.json, subs/c.ass"),
        ("d", "subs/d.srt is used; no cue in subs/d.json"),
    ]
    assert {d.reason for d in drops if d.subject is Subject.NOTE} == {Reason.SEVERAL_FILES}


def test_languages_decide_and_then_there_is_no_note(tmp_path: Path) -> None:
    lay_out(tmp_path, {f"subs/a.{one}.vtt": cues(one) for one in ("de", "en-GB", "fr")})
    write(tmp_path / "videos.jsonl", [{"video_id": "a"}])
    text = {"format": "vtt", "path": "subs/{video_id}*", "languages": ["en", "de"]}
    videos, drops = read(config_of(tmp_path, videos="videos.jsonl", uri="v/{video_id}.mp4", text=text))
    assert (said(videos), drops) == ({"a": "en-GB"}, [])


def test_a_format_takes_the_files_of_its_suffix(tmp_path: Path) -> None:
    lay_out(tmp_path, {"f/a.json": WHISPER, "f/a.vtt": cues("a"), "f/b.srt": cues("b", "srt")})
    write(tmp_path / "videos.jsonl", [{"video_id": "a"}, {"video_id": "b"}])
    for format, expected in {"vtt": {"a": "a", "b": "b"}, "whisper": {"a": "By a recogniser"}}.items():
        text = {"format": format, "path": "f/{video_id}*"}
        videos, _ = read(config_of(tmp_path, videos="videos.jsonl", uri="v/{video_id}.mp4", text=text))
        assert said(videos) == expected


def test_a_record_names_its_transcripts(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {"x/one.vtt": cues("one"), "x/two.vtt": cues("two"), "x/three.vtt": cues("three"), "subs/d.vtt": cues("d")},
    )
    own = [{"path": "x/one.vtt", "language": "fr"}, {"path": "x/two.vtt", "language": "en"}, {"path": "x/none.vtt"}]
    write(
        tmp_path / "videos.jsonl",
        [
            {"video_id": "a", "transcripts": own},
            {"video_id": "b", "transcripts": [{"path": "x/none.vtt"}, {"path": "x/three.vtt"}]},
            {"video_id": "c"},
            {"video_id": "d"},
            {"video_id": "e", "transcripts": "x/one.vtt"},
            {"video_id": "f", "transcripts": [{"path": "http://example.com/f.vtt"}]},
        ],
    )
    config = config_of(tmp_path, videos="videos.jsonl", uri="v/{video_id}.mp4", text={"format": "auto"})
    videos, drops = read(config)
    assert said(videos) == {"a": "one", "b": "three"}
    assert details(drops, Subject.NOTE) == {"b": "x/three.vtt is used; no cue in x/none.vtt"}
    assert details(drops, Subject.VIDEO)["c"] == "its record names no transcript, and source.text.path is not set"
    assert sorted(d.detail for d in drops if d.reason is Reason.MALFORMED) == [
        "videos.jsonl:5: \"transcripts\" must be a list, not 'x/one.vtt'",
        "videos.jsonl:6: uri 'http://example.com/f.vtt' is of no kind that is read; use a local path, gs://, s3:// or hf://",
    ]
    text = {"format": "auto", "path": "subs/{video_id}.{ext}", "languages": ["en"]}
    videos, drops = read(config_of(tmp_path, videos="videos.jsonl", uri="v/{video_id}.mp4", text=text))
    assert said(videos) == {"a": "two", "b": "three", "d": "d"}


def test_without_the_new_settings_transcripts_of_a_record_are_what_they_were() -> None:
    line = Line("videos.jsonl", 1, b'{"video_id": "a", "transcripts": {"en": "Hello."}}')
    assert not isinstance(parse_video(line, "v/{video_id}.mp4"), Drop)


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_a_folder_alone_is_a_source(tmp_path: Path, kind: str) -> None:
    root = str(tmp_path) if kind == "local" else f"memory://{uuid.uuid4().hex}"
    lay_out(
        root,
        {
            "lectures/a.mp4": "", "lectures/a.en.vtt": cues("a"), 
            "lectures/week 1/a.webm": "", "lectures/week 1/a.srt": cues("b", "srt"),
            "lectures/week 1/c.mp4": "", "lectures/week 1/deep/d.mkv": "", "lectures/week 1/deep/d.json": WHISPER,
            "lectures/gone.mp4.part": "", "lectures/alone.vtt": cues("x"), "lectures/.hidden.mp4": "", "lectures/.x/e.mp4": "",
        },
    )  # fmt: skip
    config = config_of(root, folder="lectures/")
    videos, drops = read(config)
    assert said(videos) == {"a": "a", "week 1/a": "b", "week 1/deep/d": "By a recogniser"}
    assert [v.video.uri for v in videos] == ["lectures/a.mp4", "lectures/week 1/a.webm", "lectures/week 1/deep/d.mkv"]
    assert all(storage.exists(config.resolve(v.video.uri)) for v in videos)
    assert rows(drops, Subject.VIDEO) == [("gone", "gone", Reason.MISSING), ("week 1/c", "week 1/c", Reason.NO_TEXT)]
    assert rows(drops, Subject.RECORD) == [("", "alone.vtt", Reason.TRANSCRIPT_WITHOUT_VIDEO)]
    for video in [*(v.video.video_id for v in videos), "week 1/c"]:  # `longtake explain` reads the same
        reading = read_video(video, config)
        assert [reading.text] == ([v for v in videos if v.video.video_id == video] or [None])
        assert reading.drops == [d for d in drops if d.video_id == video]


def test_a_folder_that_is_no_text_or_has_control_characters_has_its_rows(tmp_path: Path) -> None:
    lay_out(tmp_path, {"f/a.mp4": "", "f/a.vtt": cues("a"), "f/new\nline.mp4": "", "f/new\nline.vtt": cues("x")})
    (tmp_path / "f" / "caf\udce9.mp4").write_bytes(b"")
    videos, drops = read(config_of(tmp_path, folder="f"))
    assert said(videos) == {"a": "a"}
    assert rows(drops, Subject.RECORD) == [
        ("", "'new\\nline.mp4'", Reason.MALFORMED),
        ("", "'new\\nline.vtt'", Reason.MALFORMED),
        ("", "caf\\udce9.mp4", Reason.INVALID_UTF8),
    ]


def test_hdvila_takes_templates_with_an_open_end(tmp_path: Path) -> None:
    lay_out(tmp_path, {"videos/a.webm": "", "videos/b.mp4": "", "videos/b.mkv": ""})
    write(
        tmp_path / "videos.jsonl",
        [record("a", ("a.1", 0, 1000)), record("b", ("b.1", 0, 1000)), record("c", ("c.1", 0, 900))],
    )
    write(tmp_path / "text.jsonl", [{"clip_id": f"{name}.1", "text": name} for name in "abc"])
    text = {"format": "hdvila", "path": "text.jsonl"}
    videos, drops = read(config_of(tmp_path, videos="videos.jsonl", uri="videos/{video_id}.{ext}", text=text))
    assert [v.video.uri for v in videos] == ["videos/a.webm", "videos/b.mp4", "videos/c.{ext}"]
    assert texts_of(videos) == {name: {f"{name}.1": name} for name in "abc"}
    assert details(drops, Subject.NOTE) == {"b": "videos/b.mp4 is used; there are also videos/b.mkv"}


class Calls:
    """The calls of the file system memory:// by name."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.seen: Counter[str] = Counter()
        files = fsspec.get_filesystem_class("memory")
        for name in ("ls", "info", "exists", "find", "glob", "cat_file"):
            patch.setattr(files, name, self._counted(name, getattr(files, name)))

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(files: Any, path: str, *arguments: Any, **options: Any) -> Any:
            self.seen[f"{name} {path.rsplit('/', 1)[-1]}"] += 1
            return call(files, path, *arguments, **options)

        return counted


@pytest.mark.parametrize("way", ["templates", "folder"])
def test_each_folder_is_listed_once_and_no_file_is_probed(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    root = f"memory://{uuid.uuid4().hex}"
    ids = [f"v{n:03d}" for n in range(40)]
    lay_out(
        root, {f"lectures/{name}.mp4": "" for name in ids} | {f"lectures/{name}.en.vtt": cues(name) for name in ids}
    )
    lay_out(root, {"videos.jsonl": "".join(f'{{"video_id": "{name}"}}\n' for name in ids)})
    templates = {
        "videos": "videos.jsonl",
        "uri": "lectures/{video_id}.{ext}",
        "text": {"format": "auto", "path": ["lectures/{video_id}.fr.vtt", "lectures/{video_id}*"]},
    }
    config = config_of(root, **(templates if way == "templates" else {"folder": "lectures"}))
    calls = Calls(monkeypatch)
    videos, drops = read(config)
    assert (len(videos), drops) == (40, [])
    about = {call: n for call, n in calls.seen.items() if "videos.jsonl" not in call}
    assert about.pop("ls lectures") == 1
    assert about == {f"cat_file {name}.en.vtt": 1 for name in ids}
