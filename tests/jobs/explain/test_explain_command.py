"""`longtake explain` at the command line: text, JSON, pictures, and what it does with whatever is wrong."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sources import SourceSet, Video, longtake_here, source_set, spoken, write_rows

from longtake.jobs.explain import labels as explain_labels
from longtake.jobs.explain.explain import explain_video
from longtake.jobs.explain.lines import line_spans
from longtake.jobs.explain.picture import draw
from longtake.pipeline.explain.explanation import Explanation, Passage, Said
from longtake.schemas.config import load_config
from longtake.schemas.errors import MissingExtraError

HOSTILE = "[bold]\x1b[31mred\u202e[/] $x^2$ \\\\ \u9f8d \u05e9"
SAID = (
    (0, 1900, "[Music]"),
    (2000, 3900, "This [red]is[/red] $one$ \x9b31m sentence."),
    (4000, 5900, "Here \u05e9\u05dc\u05d5\u05dd is another."),
    (9900, 11_900, "After a long silence."),
    (12_000, 13_900, "The last one."),
)


@pytest.fixture
def sources(tmp_path: Path) -> SourceSet:
    return source_set(
        tmp_path, [Video("talk", SAID), Video("Talk-2", spoken(3))],
        clean={"texts": "all"}, filters={"min_words_per_sentence": 4, "scores": True, "pii": "mask"},
    )  # fmt: skip


def run(sources: SourceSet, *arguments: str) -> Any:
    return longtake_here("explain", str(sources.config), *arguments)


def test_text_says_what_each_step_did(sources: SourceSet) -> None:
    result = run(sources, "talk", "--probe", "none")
    assert result.returncode == 0, result.stderr
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    for expected in (
        "talk",
        f"Note: There is no plan in {sources.output} yet. "
        "So duplicates among videos, shards and results of the build are unknown.",
        "record videos.jsonl:1",
        "Cleaning: 5 cues, 4 left",
        "sound_tags 3 taken out in 2 cues, 1 gone",
        "00:00.000 [Music]",
        "-> gone: nothing but sound tags",
        "Sentences: 4 (times: 3 as given, 1 cue)",
        "1 00:04.000 00:05.900 Here \u05e9\u05dc\u05d5\u05dd is another.",
        "--- gap: nobody speaks for 4.0 s, more than max_gap_ms 2000",
        "1 00:02.000 00:05.900 2 9 planned",
        "2 00:09.900 00:13.900 2 7 dropped at stage filter: few_words "
        "(words_per_sentence 3.5 is below min_words_per_sentence 4)",
        "words_per_sentence min_words_per_sentence 4 4.5 3.5 !",
        "clean: sentence sound_tag",
        "talk.1: nothing but sound tags",
    ):
        assert expected in lines, expected


def test_nothing_of_a_source_reaches_the_terminal_unescaped(sources: SourceSet, tmp_path: Path) -> None:
    records = [json.loads(line) for line in (tmp_path / "videos.jsonl").read_text().splitlines()]
    records[0]["video_id"] = HOSTILE
    write_rows(tmp_path / "videos.jsonl", records)
    for arguments in (["--probe", "none"], ["--probe", "none", "--json"]):
        result = run(sources, HOSTILE, *arguments)
        assert result.returncode == 0, result.stderr
        assert not {"\x1b", "\u202e", "\x9b"} & set(result.stdout)
    assert "[red]is[/red] $one$" in run(sources, HOSTILE).stdout
    picture = tmp_path / "hostile.png"
    assert run(sources, HOSTILE, "-p", str(picture)).returncode == 0
    assert is_drawn(picture.read_bytes())
    missing = run(sources, HOSTILE + "?")
    assert missing.returncode == 1 and not {"\x1b", "\u202e"} & set(missing.stderr)


def test_json_holds_everything(sources: SourceSet) -> None:
    found = json.loads(run(sources, "talk", "--json").stdout)
    assert [step["name"] for step in found["steps"]] == [
        "at_once", "rolling", "boilerplate", "sound_tags", "speakers", "loops",
    ]  # fmt: skip
    assert [clip["state"] for clip in found["clips"]] == ["planned", "dropped"]
    assert found["source"]["codec"] == "h264"
    assert [cut["kind"] for cut in found["cuts"]] == ["gap"]


def test_an_id_that_is_not_there(sources: SourceSet) -> None:
    result = run(sources, "talk-2")
    assert result.returncode == 1
    assert "no record of video 'talk-2'; similar ids: 'Talk-2', 'talk'" in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_what_the_plan_and_the_build_said(sources: SourceSet) -> None:
    assert longtake_here("plan", str(sources.config)).returncode == 0
    planned = run(sources, "talk").stdout
    assert "planned: train-000000.tar, position " in planned and "Note:" not in planned
    assert longtake_here("build", str(sources.config)).returncode == 0
    built = run(sources, "talk").stdout
    assert "in the corpus: train-000000.tar, position " in built
    assert "slides" in built  # a score that decoding gave
    sources.change(merge={"min_sentences": 3})
    assert "was made with other settings" in run(sources, "talk").stdout


def test_a_plan_of_other_inputs(sources: SourceSet, tmp_path: Path) -> None:
    assert longtake_here("plan", str(sources.config)).returncode == 0
    with (tmp_path / "videos.jsonl").open("a") as stream:
        stream.write("\n")
    assert "was made from other inputs" in run(sources, "talk").stdout


def test_a_record_that_cannot_be_used(sources: SourceSet, tmp_path: Path) -> None:
    write_rows(tmp_path / "videos.jsonl", [{"video_id": "talk", "uri": "ftp://example.org/x.mp4"}, {"video_id": "bad"}])
    unsafe = run(sources, "talk")
    assert (unsafe.returncode, "unsafe_uri" in unsafe.stdout) == (0, True)
    bad = run(sources, "bad")
    assert bad.returncode == 1 and "cannot be used: malformed" in " ".join(bad.stderr.split())
    assert run(sources, "talk", "--probe", "all").returncode == 2


# -- pictures ----------------------------------------------------------------------------------------------------------


def is_drawn(png: bytes) -> bool:
    with Image.open(io.BytesIO(png)) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return picture.width == 1400 and len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10


def explained(sources: SourceSet) -> Explanation:
    return explain_video(load_config(str(sources.config)), "talk", "none")


def test_the_picture_shows_each_clip_where_it_is(sources: SourceSet, tmp_path: Path) -> None:
    found = explained(sources)
    png = draw(found)
    assert is_drawn(png)
    assert draw(found) == png
    with Image.open(io.BytesIO(png)) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    lane = pixels[100:190]
    blue, red = (np.abs(lane - colour).sum(axis=2) < 12 for colour in ((0x8E, 0xCA, 0xE6), (0xFD, 0xEC, 0xEC)))
    left, right = (1400 * share for share in (0.11, 0.915))  # of the timeline, 0 to 13.9 s
    for shown, clip in zip((blue, red), found.clips, strict=True):
        columns = np.flatnonzero(shown.sum(axis=0) > 20)
        expected = [left + (right - left) * at / found.end_ms for at in (clip.start_ms, clip.end_ms)]
        assert np.allclose([columns[0], columns[-1]], expected, atol=4)


def test_nothing_to_draw_is_no_failure(sources: SourceSet) -> None:
    empty = replace(explained(sources), cues=(), sentences=(), clips=(), cuts=(), steps=(), source=None)
    assert is_drawn(draw(empty))


def test_long_videos_are_drawn_in_lines_without_their_long_silences(sources: SourceSet) -> None:
    found, minute = explained(sources), 60_000
    said = tuple(
        Said(str(i), i * minute, i * minute + 50_000, "word", None)
        for i in (*range(30), *range(120, 150), *range(1000, 1002))
    )
    lines = line_spans(replace(found, cues=(), sentences=said))
    assert len({end - start for start, end in lines}) == 1
    assert len(lines) <= 6
    for one in said:
        assert any(start <= one.start_ms and one.end_ms <= end for start, end in lines)
    assert not any(start <= 60 * minute < end for start, end in lines)
    endless = (Passage("1", 0, 10**9, "to the end of time"),)
    assert line_spans(replace(found, cues=endless, sentences=())) == [(0, minute)]


def test_what_fonts_cannot_draw_is_left_out() -> None:
    assert explain_labels.drawable("caf\u00e9, \u043c\u0438\u0440 \u2192")
    assert not explain_labels.drawable("\u0633\u0644\u0627\u0645")
    assert not explain_labels.drawable("\U0001f9ff\U000fffff")


def test_without_matplotlib(sources: SourceSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib\. Install it with: pip install 'longtake\[text\]'"):
        draw(explained(sources))
