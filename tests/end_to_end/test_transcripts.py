"""From transcript files of each format to a plan, and one of them to a corpus: accounted for, and the same again."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sources import (
    MAMMALS,
    ONE_THREAD,
    SourceSet,
    Video,
    build,
    ledger,
    longtake_here,
    manifest,
    published,
    rows_of,
    source_set,
)

from longtake.pipeline.parse.lines import Line
from longtake.pipeline.parse.manifest import ParsedVideo, parse_video
from longtake.pipeline.text.own_text import read_own_text
from longtake.schemas.config import load_config, parse_config
from longtake.schemas.errors import ConfigError
from longtake.schemas.tables import sentence_row

SPOKEN = [(3000 + 4000 * i, 3000 + 4000 * i + 3500, f"This is sentence number {i}.") for i in range(6)]
VTT = "WEBVTT\n\n" + "\n\n".join(
    f"00:00:{a // 1000:02d}.000 --> 00:00:{b // 1000:02d}.500\n{text}" for a, b, text in SPOKEN
)
SECONDS = [{"start": a / 1000, "end": b / 1000, "text": text} for a, b, text in SPOKEN]
COLUMNS = {key: [entry[key] for entry in SECONDS] for key in ("start", "end", "text")}
TABLE = "start,end,text\n" + "".join(f"{s['start']},{s['end']},{s['text']}\n" for s in SECONDS)
FILES = {
    "vtt": VTT,
    "srt": VTT.removeprefix("WEBVTT\n\n").replace(".000", ",000").replace(".500", ",500"),
    "json3": json.dumps(
        {"events": [{"tStartMs": a, "dDurationMs": b - a, "segs": [{"utf8": text}]} for a, b, text in SPOKEN]}
    ),
    "srv3": "<timedtext><body>"
    + "".join(f'<p t="{a}" d="{b - a}">{t}</p>' for a, b, t in SPOKEN)
    + "</body></timedtext>",
    "ttml": "<tt><body><div>"
    + "".join(f'<p begin="{a}ms" end="{b}ms">{t}</p>' for a, b, t in SPOKEN)
    + "</div></body></tt>",
    "whisper": json.dumps({"segments": SECONDS}),
    "howto100m": TABLE,
    "vidchapters": json.dumps(COLUMNS),
}


def corpus(folder: Path, files: dict[str, str], text: dict[str, Any], **settings: Any) -> SourceSet:
    """A corpus of videos that all are the same file, with the transcripts `files`."""
    sources = source_set(folder, [Video(video_id, ()) for video_id in files], **settings)
    rows = [{"video_id": video_id, "uri": str(MAMMALS)} for video_id in files]
    (folder / "videos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "subs").mkdir(exist_ok=True)
    for video_id, content in files.items():
        (folder / "subs" / video_id).write_text(content, encoding="utf-8")
    sources.change(source={"videos": "videos.jsonl", "text": {"path": "subs/{video_id}"} | text})
    return sources


def assert_balanced(sources: SourceSet) -> Counter[str]:
    """Counts of _plan.json against plan and ledger; the result is the reasons of the sentences left out."""
    counts = json.loads((sources.output / "plan" / "_plan.json").read_text())["counts"]
    rows = ledger(sources.output)
    kept = sum(len(row["sentences"]) for row in rows_of(sources.output, "plan"))
    dropped = Counter(row["reason"] for row in rows if row["subject"] == "sentence")
    assert counts["sentences"] == {"in": kept + dropped.total(), "kept": kept, "dropped": dropped.total()}
    return dropped


def plan(sources: SourceSet) -> None:
    done = longtake_here("plan", str(sources.config), "--probe", "none")
    assert done.returncode == 0, done.stdout + done.stderr


def plan_here(sources: SourceSet) -> str:
    from io import StringIO

    from rich.console import Console

    from longtake.jobs.build.plan import make_plan
    from longtake.jobs.build.report import print_plan
    from longtake.jobs.build.request import BuildRequest, ProbeMode
    from longtake.schemas.layout import Layout

    config = load_config(str(sources.config))
    console = Console(file=StringIO(), width=160)
    print_plan(make_plan(BuildRequest(config, ProbeMode.NONE, 1, ONE_THREAD), console), Layout(config.root), console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


EXPECTED = [(i + 1, a, b, text, "cue") for i, (a, b, text) in enumerate(SPOKEN)]


def said_in(video_id: str, sentences: list[dict[str, Any]]) -> list[tuple[int, int, int, str, str]]:
    return [
        (int(s["clip_id"].removeprefix(f"{video_id}.")), s["start_ms"], s["end_ms"], s["text"], s["timing"])
        for s in sentences
    ]


@pytest.mark.parametrize("format", FILES)
def test_each_format_is_read_by_its_name(tmp_path: Path, format: str) -> None:
    sources = corpus(tmp_path, {"a": FILES[format]}, {"format": format})
    config = load_config(str(sources.config))
    record = parse_video(Line("videos.jsonl", 1, b'{"video_id": "a", "uri": "a.mp4"}'), None)
    assert isinstance(record, ParsedVideo)
    text = read_own_text(record, config)
    assert text.drops == []
    assert said_in("a", [sentence_row(s) for s in text.sentences]) == EXPECTED


def test_each_format_is_planned_by_its_content(tmp_path: Path) -> None:
    sources = corpus(tmp_path, FILES, {"format": "auto"})
    plan_here(sources)
    rows = sorted(rows_of(sources.output, "plan"), key=lambda row: row["key"])
    found = {v: said_in(v, [s for row in rows if row["video_id"] == v for s in row["sentences"]]) for v in FILES}
    assert found == dict.fromkeys(FILES, EXPECTED)
    assert not assert_balanced(sources)


@pytest.mark.parametrize("format", ["howto100m", "vidchapters"])
def test_one_file_for_all_videos(tmp_path: Path, format: str) -> None:
    sources = corpus(tmp_path, dict.fromkeys("abcd", ""), {"format": format, "path": "caption.json"})
    broken = {"start": [0], "end": [], "text": []}
    entries = [("a", COLUMNS), ("x", COLUMNS), ("c", broken), ("b", COLUMNS), ("a", COLUMNS)]
    rng = random.Random(1)
    plans = []
    for _ in range(2):
        text = ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in entries)
        (tmp_path / "caption.json").write_text("{" + text + "}")
        plan_here(sources)
        plans.append((sources.output / "plan" / "part-00000.parquet").read_bytes())
        rows = ledger(sources.output)
        found = Counter((row["video_id"], row["subject"], row["reason"]) for row in rows)
        assert found == {
            ("a", "record", "duplicate_id"): 1,
            ("", "record", "transcript_without_video"): 1,
            ("c", "record", "malformed"): 1,
            ("c", "video", "no_text"): 1,
            ("d", "video", "no_text"): 1,
        }
        assert {row["video_id"] for row in rows_of(sources.output, "plan")} == {"a", "b"}
        assert not assert_balanced(sources)
        rng.shuffle(entries)
    assert plans[0] == plans[1]


def rolling(words: list[str]) -> str:
    lines = [" ".join(words[i : i + 6]) for i in range(0, len(words), 6)]
    out = ["WEBVTT"]
    for i, line in enumerate(lines):
        at = 2000 + 3000 * i
        stamps = [f"00:00:{t // 1000:02d}.{t % 1000:03d}" for t in range(at, at + 3000, 490)]
        new = "".join(
            f"<{s}><c> {w}</c>" if k else w for k, (s, w) in enumerate(zip(stamps, line.split(), strict=False))
        )
        end = f"00:00:{(at + 2980) // 1000:02d}.980"
        out.append(f"{stamps[0]} --> {end} align:start position:0%\n{lines[i - 1] if i else ' '}\n{new}")
        out.append(f"{end} --> {end[:-3]}990 align:start position:0%\n{line}\n ")
    return "\n\n".join(out) + "\n"


def test_a_corpus_from_rolling_captions(tmp_path: Path) -> None:
    words = [f"word{i}" for i in range(90)]
    noise = "1\n00:00:01,000 --> 00:00:02,000\n[Music]\n"
    noise += "\n2\n00:00:02,000 --> 00:00:03,000\nSubtitles by the Amara.org community\n"
    spoken = "".join(
        f"\n{i}\n00:00:{i:02d},000 --> 00:00:{i + 1:02d},000\n>> Sentence {i} is here.\n" for i in range(3, 9)
    )
    sources = corpus(tmp_path, {"a": rolling(words), "b": noise + spoken, "c": noise}, {"format": "auto"})
    said = build(sources)
    assert "Taken out of the text: 1 boilerplate, 29 rolling, 1 sound tags, 6 speakers" in said
    dropped = assert_balanced(sources)
    assert dropped == {"rolling_caption": 15, "sound_tag": 2, "boilerplate": 2}
    counts = manifest(sources.output)["counts"]
    assert counts["videos"] == {"in": 3, "kept": 2, "dropped": 1}
    rows = sorted(rows_of(sources.output, "index"), key=lambda row: row["key"])
    said_by = {v: [s for row in rows if row["video_id"] == v for s in row["sentences"]] for v in "ab"}
    assert " ".join(s["text"] for s in said_by["a"]).split() == words, "each word once, in order"
    assert {s["timing"] for s in said_by["a"]} == {"words"}
    assert [s["text"] for s in said_by["b"]] == [f"Sentence {i} is here." for i in range(3, 9)]
    done = longtake_here("verify", str(sources.output))
    assert done.returncode == 0, done.stdout + done.stderr
    before = published(sources.output)
    build(sources, workers=1, overwrite=True)
    assert published(sources.output) == before


@pytest.mark.exhaustive
def test_texts_of_records_are_left_alone_unless_asked(tmp_path: Path) -> None:
    texts = ["[Music] so we go", ">> and on. And stop.", "It is", "over."]
    spans = tuple((1000 + 3000 * i, 3900 + 3000 * i, text) for i, text in enumerate(texts))
    for form in ("records", "hdvila"):
        (tmp_path / form).mkdir()
        sources = source_set(tmp_path / form, [Video("a", spans)], form)
        plan_here(sources)
        (row,) = rows_of(sources.output, "plan")
        assert [s["text"] for s in row["sentences"]] == texts
        assert {s["timing"] for s in row["sentences"]} == {None}
        sources.change(clean={"texts": "all"})
        plan_here(sources)
        (row,) = rows_of(sources.output, "plan")
        assert [s["text"] for s in row["sentences"]] == ["so we go", "and on. And stop.", "It is", "over."]
        assert [s["timing"] for s in row["sentences"]] == ["cue", "cue", None, None]
        sources.change(sentences={"split": "sentences"})
        plan_here(sources)
        (row,) = rows_of(sources.output, "plan")
        assert [s["text"] for s in row["sentences"]] == ["so we go", "and on.", "And stop.", "It is over."]
        assert [s["clip_id"] for s in row["sentences"]] == ["a.1", "a.2", "a.2-2", "a.3"]
        assert not assert_balanced(sources)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"source": {"text": {"format": "whisper", "path": "x.json"}}}, "one file per video"),
        (
            {"source": {"text": {"format": "vtt", "path": "{video_id}", "encoding": "klingon"}}},
            "is not a text encoding",
        ),
        ({"source": {"text": {"format": "vtt", "path": "{video_id}", "encoding": "base64"}}}, "is not a text encoding"),
        ({"clean": {"loops": 1}}, "a loop has 3 repeats"),
        ({"sentences": {"max_words": 4, "min_words": 3}}, "twice"),
        ({"sentences": {"pause_ms": 3000}}, "below pause_ms"),
        ({"source": {"groups": "g.jsonl"}, "sentences": {"split": "sentences"}}, "groups"),
        ({"source": {"groups": "g.jsonl", "text": {"format": "howto100m", "path": "c.json"}}}, "one file for all"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], said: str) -> None:
    source = {"videos": "v.jsonl"} | settings.get("source", {})
    with pytest.raises(ConfigError, match=said):
        parse_config({"name": "t", "output": "out"} | settings | {"source": source})


def test_all_real_transcripts_go_through_and_balance(shared: Path, tmp_path: Path) -> None:
    real = [p for folder in ("transcripts", "odd") for p in sorted((shared / "data" / folder).glob("*"))]
    real = [p for p in real if p.suffix in (".vtt", ".srt", ".json", ".static", ".txt")]
    files = {p.name: p.read_text(encoding="utf-8-sig") for p in real}
    sources = corpus(tmp_path, files, {"format": "auto"}, max_failed=1.0, merge={"min_sentences": 1})
    plan(sources)
    dropped = assert_balanced(sources)
    assert set(dropped) <= {"rolling_caption", "loop", "empty_text", "span_reversed", "overlap", "cut_remainder"}
    lost = {row["video_id"] for row in ledger(sources.output) if row["subject"] == "video"}
    assert lost == {
        "the_last_man_on_earth.txt", "communiquer-lors-dune-classe-transplantee.txt", "webvtt-py.no_captions.vtt",
    }  # fmt: skip
