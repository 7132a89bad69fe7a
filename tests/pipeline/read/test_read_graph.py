import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from reading import read
from sources import timecode

from longtake.pipeline.read import by_clip
from longtake.pipeline.read.rows import VideoText
from longtake.schemas.config import CorpusConfig, parse_config
from longtake.schemas.reasons import Reason, Subject
from longtake.schemas.records import Drop


def config_of(folder: Path, text: dict[str, str] | None = None, groups: str | None = None) -> CorpusConfig:
    source: dict[str, Any] = {"videos": "videos.jsonl", "uri": "videos/{video_id}.mp4", "groups": groups}
    if text is not None:
        source["text"] = text
    return parse_config({"name": "t", "output": "out", "source": source, "base": str(folder)})


def write(path: Path, rows: list[Any]) -> None:
    lines = [row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() for row in rows]
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def record(video_id: Any, *clips: tuple[str, int, int], **more: Any) -> dict[str, Any]:
    spans = [{"clip_id": c, "span": [timecode(s), timecode(e)]} for c, s, e in clips]
    return {"video_id": video_id, "clip": spans, **more}


def texts_of(videos: list[VideoText]) -> dict[str, dict[str, str]]:
    return {v.video.video_id: {s.clip_id: s.text for s, _ in v.sentences} for v in videos}


def rows(drops: list[Drop], subject: Subject) -> list[tuple[str, str, Reason]]:
    return [(d.video_id, d.subject_id, d.reason) for d in drops if d.subject is subject]


MANIFEST: list[Any] = [
    record("a", ("a.1", 0, 1000), ("a.2", 1000, 2000), ("a.3", 2000, 3000)),  # line 1
    record("b", ("b.1", 0, 1000), ("b.2", 1000, 2000), ("a.1", 2000, 3000)),  # names a clip of another video
    b"{broken",  # line 3
    record("c", ("c.1", 5000, 4000), ("c.2", 5000, 6000), ("c.2", 6000, 7000)),  # reversed, and an id twice
    record("a", ("a.9", 0, 1000)),  # line 5: a video twice, and this record sorts after line 1 or before it
    record("d", ("d.1", 0, 1000)),  # without any text
    record("e", ("e.1", 0, 1000), uri="http://example.com/e.mp4"),  # line 7: unsafe
    b'{"video_id": "\xff"}',
    record("f"),  # line 9: no clips at all
    record({"no": "id"}, ("g.1", 0, 1000)),
]
TEXTS: list[Any] = [
    {"clip_id": "a.1", "text": "first"},
    {"clip_id": "a.2", "text": " \u200b "},  # line 2: nothing is left
    {"clip_id": "a.3", "text": "third"},
    {"clip_id": "b.1", "text": "one"},
    {"clip_id": "b.1", "text": "one more"},  # line 5: a text twice
    {"clip_id": "b.2", "text": "two"},
    {"clip_id": "c.1", "text": "of a reversed span"},
    {"clip_id": "c.2", "text": "see"},
    {"clip_id": "x.1", "text": "of no clip"},  # line 9
    {"clip_id": "x.2", "text": ""},  # line 10
    {"clip_id": "e.1", "text": "of an unsafe video"},
    b"[1, 2]",
    {"clip_id": "b.1", "text": ""},  # line 13
    {"text": "of nothing"},
    b"\x80",
]


def hdvila(folder: Path, manifest: list[Any], texts: list[Any], groups: list[Any] | None = None) -> CorpusConfig:
    write(folder / "videos.jsonl", manifest)
    write(folder / "text.jsonl", texts)
    if groups is not None:
        write(folder / "groups.jsonl", groups)
    text = {"format": "hdvila", "path": "text.jsonl"}
    return config_of(folder, text, "groups.jsonl" if groups is not None else None)


def test_joins_text_and_accounts_for_everything_else(tmp_path: Path) -> None:
    videos, drops = read(hdvila(tmp_path, MANIFEST, TEXTS))
    assert texts_of(videos) == {
        "a": {"a.1": "first", "a.3": "third"},
        "b": {"b.1": "one", "b.2": "two"},
        "c": {"c.2": "see"},
    }
    assert rows(drops, Subject.RECORD) == [
        ("", "text.jsonl:12", Reason.MALFORMED),
        ("", "text.jsonl:14", Reason.MALFORMED),
        ("", "text.jsonl:15", Reason.INVALID_UTF8),
        ("", "videos.jsonl:10", Reason.MALFORMED),
        ("", "videos.jsonl:3", Reason.MALFORMED),
        ("", "videos.jsonl:8", Reason.INVALID_UTF8),
        ("a", "videos.jsonl:5", Reason.DUPLICATE_ID),
    ]
    assert rows(drops, Subject.VIDEO) == [
        ("d", "d", Reason.NO_TEXT),
        ("e", "e", Reason.UNSAFE_URI),
        ("f", "f", Reason.NO_TEXT),
    ]
    assert sorted(rows(drops, Subject.SENTENCE)) == [
        ("", "x.1", Reason.TEXT_WITHOUT_CLIP),
        ("", "x.2", Reason.TEXT_WITHOUT_CLIP),
        ("a", "a.2", Reason.EMPTY_TEXT),
        ("b", "a.1", Reason.DUPLICATE_ID),
        ("b", "b.1", Reason.DUPLICATE_ID),
        ("b", "b.1", Reason.DUPLICATE_ID),
        ("c", "c.1", Reason.SPAN_REVERSED),
        ("c", "c.2", Reason.DUPLICATE_ID),
        ("d", "d.1", Reason.CLIP_WITHOUT_TEXT),
        ("e", "e.1", Reason.UNSAFE_URI),
    ]


def test_every_row_of_a_lost_line_or_sentence_says_file_and_line(tmp_path: Path) -> None:
    _, drops = read(hdvila(tmp_path, MANIFEST, TEXTS))
    for drop in drops:
        if drop.subject is not Subject.VIDEO or drop.reason is not Reason.NO_TEXT:
            assert any(f"{name}.jsonl:" in drop.detail for name in ("videos", "text")), drop
    assert str(tmp_path) not in "".join(d.detail + d.subject_id for d in drops), "no path of this machine"
    where = {(d.subject_id, d.reason): d.detail for d in drops}
    assert where["x.1", Reason.TEXT_WITHOUT_CLIP].startswith("text.jsonl:9:")
    assert where["c.1", Reason.SPAN_REVERSED].startswith("videos.jsonl:4:")
    assert where["a.2", Reason.EMPTY_TEXT].startswith("text.jsonl:2:")


def expected_sentences(manifest: list[Any], texts: list[Any]) -> int:
    """How many sentences go in, counted by another rule than the graph's: for each clip id, the clips of usable records and the
    texts beyond the first; the texts alone where there is no clip."""
    clips: Counter[str] = Counter()
    records: dict[str, list[Any]] = {}
    for row in manifest:
        if isinstance(row, dict) and isinstance(row["video_id"], str):
            records.setdefault(row["video_id"], []).append(row)
    for same in records.values():
        used = min(same, key=lambda r: json.dumps(r, sort_keys=True, ensure_ascii=False, separators=(",", ":")))
        clips.update(clip["clip_id"] for clip in used["clip"])
    lines = Counter(row["clip_id"] for row in texts if isinstance(row, dict) and "clip_id" in row)
    return sum(clips[i] + max(lines[i] - (1 if clips[i] else 0), 0) for i in clips | lines)


def test_every_sentence_has_exactly_one_outcome(tmp_path: Path) -> None:
    videos, drops = read(hdvila(tmp_path, MANIFEST, TEXTS))
    kept = sum(len(v.sentences) for v in videos)
    assert kept + len(rows(drops, Subject.SENTENCE)) == expected_sentences(MANIFEST, TEXTS) == 15


def test_random_input_balances_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(11)
    manifest, texts = [], []
    for v in range(60):
        ids = [
            f"{rng.choice('pqr')}.{rng.randrange(30)}" if rng.random() < 0.3 else f"v{v}.{i}"
            for i in range(rng.randrange(5))
        ]
        spans = [(clip_id, rng.randrange(5) * 1000, rng.randrange(2, 9) * 1000) for clip_id in ids]
        manifest.append(record(f"v{rng.randrange(50)}", *spans))
        texts += [
            {"clip_id": i, "text": rng.choice(["some text", "other text", "", " "])} for i in ids if rng.random() < 0.8
        ]
    texts += rng.choices(texts, k=10) + [{"clip_id": f"q.{i}", "text": "stray"} for i in range(5)]
    groups = [rng.sample([t["clip_id"] for t in texts[:20]], 2) for _ in range(5)]
    groups = [group for group in groups if len(set(group)) == 2]
    outcomes = []
    for attempt in range(2):
        (tmp_path / str(attempt)).mkdir()
        outcomes.append(read(hdvila(tmp_path / str(attempt), manifest, texts, groups)))
        monkeypatch.setattr(by_clip, "_ODD_AT_ONCE", 3)  # in the other attempts
        for part in (manifest, texts, groups):
            rng.shuffle(part)
    (videos, drops), (others, other_drops) = outcomes
    assert videos == others
    assert Counter((d.video_id, d.subject, d.reason) for d in drops) == Counter(
        (d.video_id, d.subject, d.reason) for d in other_drops
    )
    kept = sum(len(v.sentences) for v in videos)
    assert kept > 10
    assert kept + len(rows(drops, Subject.SENTENCE)) == expected_sentences(manifest, texts)


def test_groups_are_attached_to_their_sentences(tmp_path: Path) -> None:
    groups = [["a.1", "a.3"], {"clip_id": ["b.1", "gone.1", "a.2"]}, b"{}", ["a.1", "b.1"]]
    videos, drops = read(hdvila(tmp_path, MANIFEST, TEXTS, groups))
    sizes = {s.clip_id: sorted(size for _, size in names) for v in videos for s, names in v.sentences}
    assert sizes == {"a.1": [2, 2], "a.3": [2], "b.1": [2, 3], "b.2": [], "c.2": []}
    unknown = [d for d in drops if d.reason is Reason.GROUP_UNKNOWN_CLIP]
    assert {d.subject for d in unknown} == {Subject.RECORD} and len({d.subject_id for d in unknown}) == 1
    assert all(d.detail.startswith(f"groups.jsonl:2: group {d.subject_id} ") for d in unknown)
    assert ["'a.2'" in d.detail or "'gone.1'" in d.detail for d in unknown] == [True, True]
    assert ("", "groups.jsonl:3", Reason.MALFORMED) in rows(drops, Subject.RECORD)


def test_groups_name_cues_of_subtitle_files(tmp_path: Path) -> None:
    (tmp_path / "subs").mkdir()
    cues = "WEBVTT\n\n00:00.000 --> 00:01.000\none\n\n00:01.000 --> 00:02.000\n\n\n00:03.000 --> 00:04.000\nthree\n"
    (tmp_path / "subs" / "a.vtt").write_text(cues)
    write(tmp_path / "videos.jsonl", [{"video_id": "a"}, {"video_id": "silent"}])
    write(tmp_path / "groups.jsonl", [["a.1", "a.3"], ["a.2", "a.3"]])
    videos, drops = read(config_of(tmp_path, {"format": "vtt", "path": "subs/{video_id}.vtt"}, "groups.jsonl"))
    assert {s.clip_id: len(names) for v in videos for s, names in v.sentences} == {"a.1": 1, "a.3": 2}
    (unknown,) = [d for d in drops if d.subject is Subject.RECORD]
    assert unknown.reason is Reason.GROUP_UNKNOWN_CLIP and unknown.detail.startswith("groups.jsonl:2: group ")
    assert rows(drops, Subject.VIDEO) == [("silent", "silent", Reason.NO_TEXT)]


@pytest.mark.parametrize("form", ["vtt", "srt"])
def test_subtitle_files_that_are_missing_unreadable_or_empty(tmp_path: Path, form: str) -> None:
    (tmp_path / "subs" / f"folder.{form}").mkdir(parents=True)
    (tmp_path / "subs" / f"empty.{form}").touch()
    (tmp_path / "subs" / f"good.{form}").write_text(
        ("WEBVTT\n\n" if form == "vtt" else "1\n") + f"{timecode(0)} --> {timecode(900)}\nhello\n"
    )
    ids = ["folder", "empty", "good", "gone", "x" * 300, "..", "a/b", "line\nbreak"]
    write(tmp_path / "videos.jsonl", [{"video_id": i, "uri": "v.mp4"} for i in ids])
    videos, drops = read(config_of(tmp_path, {"format": form, "path": f"subs/{{video_id}}.{form}"}))
    assert texts_of(videos) == {"good": {"good.1": "hello"}}
    found = {video_id: reason for video_id, _, reason in rows(drops, Subject.VIDEO)}
    assert set(found) == set(ids) - {"good"}, "each video that was lost has exactly one row"
    assert len(found) == len(rows(drops, Subject.VIDEO))
    assert found["gone"] is Reason.NO_TEXT
    assert {found[i] for i in ids if i not in ("gone", "good", "empty")} == {Reason.TRANSCRIPT_UNREADABLE}


def test_records_with_sentences_of_their_own(tmp_path: Path) -> None:
    sentences = [
        {"start": 0, "end": 1.5, "text": "one"},
        {"start": 1.5, "end": 2, "text": ""},
        {"start": 3, "end": 2, "text": "back"},
        {"start": 3, "end": 4},
        "text",
    ]
    write(tmp_path / "videos.jsonl", [{"video_id": "a", "sentences": sentences}, {"video_id": "b"}])
    videos, drops = read(config_of(tmp_path))
    assert texts_of(videos) == {"a": {"a.1": "one"}}
    assert rows(drops, Subject.SENTENCE) == [
        ("a", "a#5", Reason.MALFORMED),
        ("a", "a.2", Reason.EMPTY_TEXT),
        ("a", "a.3", Reason.SPAN_REVERSED),
        ("a", "a.4", Reason.CLIP_WITHOUT_TEXT),
    ]
    assert rows(drops, Subject.VIDEO) == [("b", "b", Reason.NO_TEXT)]


def test_no_input_at_all_gives_nothing(tmp_path: Path) -> None:
    assert read(hdvila(tmp_path, [], [], [])) == ([], [])
