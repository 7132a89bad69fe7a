"""Everything that can be wrong with the input, at once: the corpus is made of the rest, and the ledger knows each."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from sources import (
    LAST_MAN,
    MAMMALS,
    SourceSet,
    Video,
    build,
    ledger,
    longtake_here,
    manifest,
    rows_of,
    source_set,
    spoken,
    timecode,
)

CLIPS = [(1000, 2000), (2000, 3000), (3000, 4000), (4000, 5000)]


def hdvila(video_id: str, spans: list[tuple[int, int]], **more: Any) -> dict[str, Any]:
    clips = [{"clip_id": f"{video_id}.{i}", "span": [timecode(s), timecode(e)]} for i, (s, e) in enumerate(spans, 1)]
    return {"video_id": video_id, "uri": f"videos/{video_id}.mp4", "clip": clips, **more}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    folder = tmp_path_factory.mktemp("bad")
    sources = source_set(folder, [], merge={"min_sentences": 2, "max_sentences": 4}, max_failed=0.8)
    videos = folder / "videos"
    for name in ("good", "other", "spans", "silent", "twice"):
        (videos / f"{name}.mp4").symlink_to(MAMMALS)
    (videos / "empty.mp4").touch()
    (videos / "noise.mp4").write_bytes(bytes(range(256)) * 400)
    (videos / "text.mp4").write_text("<html>404</html>")
    (videos / "list.mp4").write_text("#EXTM3U\n#EXTINF:10,\n/etc/passwd\n")
    (videos / "cut.mp4").write_bytes(LAST_MAN.read_bytes()[:100_000])
    (videos / "folder.mp4").mkdir()
    records: list[Any] = [
        hdvila("good", CLIPS),
        hdvila("spans", [*CLIPS, (6000, 5000), (7000, 7000), (94_000, 99_000), (200_000, 201_000)]),
        b"{this is not JSON",
        b'["a list"]',
        b'{"video_id": "caf\xe9"}',
        hdvila("missing", CLIPS),
        hdvila("empty", CLIPS),
        hdvila("noise", CLIPS),
        hdvila("text", CLIPS),
        hdvila("list", CLIPS),
        hdvila("cut", CLIPS),
        hdvila("folder", CLIPS),
        hdvila("web", CLIPS) | {"uri": "https://example.org/v.mp4"},
        hdvila("silent", CLIPS),
        hdvila("twice", CLIPS),
        hdvila("twice", CLIPS, url="again"),
        hdvila("other", CLIPS) | {"clip": hdvila("other", CLIPS)["clip"] + hdvila("good", CLIPS)["clip"][:1]},
        {"video_id": 7.5, "uri": "videos/good.mp4"},
        hdvila("no-span", CLIPS)
        | {"uri": "videos/good.mp4", "clip": [{"clip_id": "no-span.1", "span": ["soon", "later"]}]},
    ]
    write(folder / "videos.jsonl", records)
    ids = [
        c["clip_id"] for r in records if isinstance(r, dict) and r["video_id"] != "silent" for c in r.get("clip", ())
    ]
    texts: list[Any] = [
        {"clip_id": i, "text": f"text of {i}"} for i in dict.fromkeys(ids) if i not in ("good.4", "twice.4")
    ]
    texts += [
        {"clip_id": "good.4", "text": " \t "},
        {"clip_id": "good.1", "text": "another"},
        {"clip_id": "nobody.1", "text": "of no clip"},
        b'{"clip_id": "x", "text": "\xc3\x28"}',
        b"",
        b"{",
    ]
    write(folder / "text.jsonl", texts)
    packed = gzip.compress((folder / "text.jsonl").read_bytes())
    (folder / "text.jsonl.gz").write_bytes(packed)
    sources.change(source={"videos": "videos.jsonl", "text": {"format": "hdvila", "path": "text.jsonl.gz"}})
    build(sources, probe="header")
    return sources


def write(path: Path, rows: list[Any]) -> None:
    path.write_bytes(b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in rows))


def found(sources: SourceSet, subject: str) -> dict[str, list[tuple[str, str]]]:
    out: dict[str, list[tuple[str, str]]] = {}
    for row in ledger(sources.output):
        if row["subject"] == subject:
            out.setdefault(row["subject_id"], []).append((row["stage"], row["reason"]))
    return out


def test_what_is_good_is_in_the_corpus(bad: SourceSet) -> None:
    clips = {(row["video_id"], row["n_sentences"]) for row in rows_of(bad.output, "index")}
    assert clips == {("good", 3), ("spans", 4), ("twice", 3), ("other", 4)}


def test_lines_that_cannot_be_used_are_records_with_file_and_line(bad: SourceSet) -> None:
    n = len((bad.folder / "text.jsonl").read_bytes().splitlines())
    assert found(bad, "record") == {
        "videos.jsonl:3": [("read", "malformed")],
        "videos.jsonl:4": [("read", "malformed")],
        "videos.jsonl:5": [("read", "invalid_utf8")],
        "videos.jsonl:15": [("read", "duplicate_id")],
        "videos.jsonl:18": [("read", "malformed")],
        f"text.jsonl.gz:{n - 2}": [("read", "invalid_utf8")],
        f"text.jsonl.gz:{n}": [("read", "malformed")],
    }


def test_videos_that_cannot_be_used_say_why(bad: SourceSet) -> None:
    videos = found(bad, "video")
    assert all(len(rows) == 1 for rows in videos.values())
    assert {video_id: reason for video_id, [(_, reason)] in videos.items()} == {
        "missing": "missing",
        "empty": "empty_file",
        "noise": "unreadable",
        "text": "unreadable",
        "list": "unreadable",
        "cut": "unreadable",
        "folder": "unreadable",
        "web": "unsafe_uri",
        "silent": "no_text",
        "no-span": "no_text",
    }


def test_sentences_that_cannot_be_used_say_why(bad: SourceSet) -> None:
    sentences = found(bad, "sentence")
    assert sentences["spans.5"] == sentences["spans.6"] == [("read", "span_reversed")]
    assert sentences["spans.7"] == sentences["spans.8"] == [("probe", "span_past_end")]
    assert sentences["good.4"] == [("read", "empty_text")]
    assert sorted(sentences["good.1"]) == [("read", "duplicate_id"), ("read", "duplicate_id")]
    assert sentences["nobody.1"] == [("read", "text_without_clip")]
    assert sentences["twice.4"] == sentences["silent.1"] == [("read", "clip_without_text")]
    assert sentences["no-span.1"] == [("read", "malformed")]
    assert all(sentences[f"{v}.{i}"] for v in ("missing", "empty", "noise", "text", "web") for i in (1, 2, 3, 4))


def test_every_row_that_comes_from_a_line_names_file_and_line(bad: SourceSet) -> None:
    for row in ledger(bad.output):
        if row["stage"] == "read" and (row["subject"], row["reason"]) != ("video", "no_text"):
            assert ".jsonl" in row["detail"], row
            assert ":" in row["detail"], row
        assert str(bad.folder) not in row["detail"], f"no path of this machine: {row}"


def test_everything_is_accounted_for(bad: SourceSet) -> None:
    counts = manifest(bad.output)["counts"]
    assert counts["videos"] == {"in": 14, "kept": 4, "dropped": 10}
    rows = ledger(bad.output)
    assert counts["sentences"]["dropped"] == sum(row["subject"] == "sentence" for row in rows)
    assert counts["sentences"]["kept"] == 14
    assert counts["sentences"]["in"] == 14 + counts["sentences"]["dropped"]


@pytest.mark.slow
@pytest.mark.parametrize("probe", ["header", pytest.param("none", marks=pytest.mark.exhaustive)])
def test_too_many_failures_stop_the_build_and_publish_nothing(tmp_path: Path, probe: str) -> None:
    videos = [Video(f"v{i}", spoken(4)) for i in range(4)]
    sources = source_set(tmp_path, videos, max_failed=0.25)
    for name in ("v0", "v1"):
        (tmp_path / "videos" / f"{name}.mp4").unlink()
    done = longtake_here("build", str(sources.config), f"--probe={probe}", "--workers=1")
    assert done.returncode == 1, done.stderr
    assert "2 of 4 videos failed (50%); max_failed allows 25%" in done.stderr
    assert str(sources.output / "ledger") in done.stderr
    assert "Traceback" not in done.stderr
    assert not (sources.output / "corpus.json").exists()
    assert not list(sources.output.glob("shards/*"))
    assert {row["subject_id"] for row in ledger(sources.output) if row["reason"] == "missing"} >= {"v0", "v1"}
    sources.change(max_failed=0.5)
    build(sources)
    assert manifest(sources.output)["counts"]["videos"] == {"in": 4, "kept": 2, "dropped": 2}


def test_a_corpus_of_which_nothing_is_left_is_an_error(tmp_path: Path) -> None:
    from longtake.schemas.errors import CorpusError

    sources = source_set(tmp_path, [Video("v", spoken(1))])
    with pytest.raises(CorpusError, match="No sample is left: every sentence was dropped, of 1 that came in"):
        build(sources)
    assert not (sources.output / "corpus.json").exists()
