"""The same film under two ids, from plan to corpus: which one stays, what the ledger says, and what cannot be told."""

import random
from pathlib import Path
from typing import Any

import pytest
from media import changed, make
from sources import (
    LAST_MAN,
    MAMMALS,
    POLAR_MAMMALS,
    SourceSet,
    Video,
    build,
    ledger,
    longtake_here,
    manifest,
    published,
    rows_of,
    source_set,
    spoken,
)

from longtake.pipeline.verify.corpus import verify

COPY = make(
    "smaller.mp4",
    ["-i", MAMMALS, "-vf", "scale=-2:120", "-c:v", "mpeg4", "-q:v", "12", "-an", "-threads", "1"],
)
STILL = make("still.mp4", ["-f", "lavfi", "-i", "smptebars=size=320x180:rate=10:duration=6", "-threads", "1"])
VIDEOS = [
    Video("mammals", spoken(5, says="one")),
    Video("säugetiere", spoken(4, says="eins"), COPY, name="copy"),
    Video("mammals-again", (*spoken(3, says="un"), *spoken(1, 30_000, says="alone")), COPY, name="copy-2"),
    Video("polar", spoken(4, says="two"), POLAR_MAMMALS),
    Video("man", spoken(4, says="three"), LAST_MAN),
    Video("still", spoken(4, says="four"), STILL),
]
COPIES = {"mammals", "säugetiere", "mammals-again"}
SETTINGS: dict[str, Any] = {
    "duplicates": {"videos": "drop"},
    "max_failed": 0.5,
    "frames": {"short_side": 64, "per_sentence": 1},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    sources = source_set(tmp_path_factory.mktemp("same"), VIDEOS, **SETTINGS)
    build(sources, probe="header")
    return sources


def test_one_of_them_stays_and_all_is_accounted_for(corpus: SourceSet) -> None:
    kept = {row["video_id"] for row in rows_of(corpus.output, "index")}
    assert kept - COPIES == {"polar", "man", "still"}
    (survivor,) = kept & COPIES
    rows = [row for row in ledger(corpus.output) if row["reason"] == "duplicate_video"]
    assert {row["stage"] for row in rows} == {"filter"}
    own = {row["video_id"]: row["detail"] for row in rows if row["subject"] == "video"}
    assert set(own) == COPIES - {survivor}
    assert all(
        detail == f"100 % of the frames compared are those of {survivor}, which stays" for detail in own.values()
    )
    clips = {row["subject_id"] for row in rows if row["subject"] == "clip"}
    assert all(
        row["detail"] in {f"in long clip {key}" for key in clips} for row in rows if row["subject"] == "sentence"
    )
    assert manifest(corpus.output)["counts"]["videos"] == {"in": 6, "kept": 4, "dropped": 2}
    assert verify(str(corpus.output)).faults == ()


def test_what_cannot_be_told_goes_on_with_a_note(corpus: SourceSet) -> None:
    (note,) = [row for row in ledger(corpus.output) if row["subject"] == "note"]
    assert (note["video_id"], note["reason"]) == ("still", "not_compared")
    assert note["detail"] == "compared with no video: 1 different pictures; 4 are needed"


@pytest.mark.exhaustive
def test_the_same_bytes_whatever_the_order_and_the_workers(corpus: SourceSet, tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    lines = (tmp_path / "videos.jsonl").read_text().splitlines(keepends=True)
    random.Random(3).shuffle(lines)
    (tmp_path / "videos.jsonl").write_text("".join(lines))
    build(sources, workers=1, probe="header", beam=["--direct_runner_bundle_repeat=1"])
    assert published(sources.output) == published(corpus.output)


def test_flagged_they_stay_and_name_the_first(corpus: SourceSet, tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS | {"duplicates": {"videos": "flag"}})
    build(sources, probe="header")
    marks = {row["video_id"]: row["duplicate_video_of"] for row in rows_of(sources.output, "index")}
    (survivor,) = {mark for mark in marks.values() if mark is not None}
    assert {video for video, mark in marks.items() if mark} == COPIES - {survivor}
    assert survivor in {row["video_id"] for row in rows_of(corpus.output, "index")}, "the one that stays with drop"
    assert verify(str(sources.output)).faults == ()


@pytest.mark.exhaustive
def test_a_source_whose_frames_cannot_be_decoded_is_planned_and_has_a_note(tmp_path: Path) -> None:
    def blank(data: bytearray) -> bytearray:
        at = data.index(b"mdat") + 8
        end = data.index(b"moov", at) - 8 if b"moov" in data[at:] else len(data)
        data[at:end] = bytes(end - at)
        return data

    broken = changed(MAMMALS, "blank.mp4", blank)
    videos = [VIDEOS[0], Video("blank", spoken(4), broken), VIDEOS[3]]
    sources = source_set(tmp_path, videos, **SETTINGS)
    build(sources, probe="header")
    rows = {row["reason"]: row for row in ledger(sources.output) if row["video_id"] == "blank"}
    assert rows["not_compared"]["subject"] == "note"
    assert {row["video_id"] for row in rows_of(sources.output, "plan")} == {"mammals", "blank", "polar"}
    assert manifest(sources.output)["counts"]["videos"] == {"in": 3, "kept": 2, "dropped": 1}
    assert verify(str(sources.output)).faults == ()


def test_without_a_look_at_the_sources_it_says_so(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS[:1], **SETTINGS)
    done = longtake_here("plan", str(sources.config), "--probe", "none")
    assert done.returncode == 2
    assert "duplicates.videos needs the source videos to be probed" in done.stderr
