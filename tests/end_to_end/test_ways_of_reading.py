"""A corpus from each form of input: accounted for, verified, and right by the independent checker where that is at hand."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sources import (
    FORMS,
    LAST_MAN,
    POLAR_MAMMALS,
    SourceSet,
    Video,
    build,
    ledger,
    leftovers,
    manifest,
    rows_of,
    source_set,
    spoken,
    write_rows,
)
from test_groups_balance import group_id

VIDEOS = [
    Video("mammals", spoken(7, 3000)),
    Video(
        "polar mammals",
        spoken(3, 60_000, says="Ein Satz \u00fcber B\u00e4ren,") + spoken(2, 90_000),
        POLAR_MAMMALS,
        "polar",
    ),
    Video("last-man", (*spoken(2, 1000), (9000, 10_000, "Too far away.")), LAST_MAN),
]


def usual(*forms: str) -> list[Any]:
    """All forms, those that are not named for `make test-all`."""
    return [pytest.param(one, marks=() if one in forms else pytest.mark.exhaustive) for one in FORMS]


def assert_whole(sources: SourceSet) -> None:
    """Everything is in the corpus or in the ledger, and nothing is left over."""
    corpus = sources.output
    counts = manifest(corpus)["counts"]
    rows = ledger(corpus)
    for subject, count in counts.items():
        assert count["in"] == count["kept"] + count["dropped"]
        assert count["dropped"] == sum(row["subject"] == subject.removesuffix("s") for row in rows)
    index = rows_of(corpus, "index")
    assert counts["clips"]["kept"] == len(index) == sum(s["samples"] for s in manifest(corpus)["shards"])
    assert counts["sentences"]["kept"] == sum(len(row["sentences"]) for row in index)
    assert counts["videos"]["kept"] == len({row["video_id"] for row in index})
    assert not leftovers(corpus)


def assert_right(sources: SourceSet, shared: Path) -> None:
    """The checker that imports nothing of ours finds no fault: it decodes every video from end to end."""
    checker = shared / "check" / "check_corpus.py"
    done = subprocess.run(
        [sys.executable, checker, sources.folder, sources.output], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("form", usual("hdvila", "vtt"))
def test_every_form_gives_the_same_samples(tmp_path: Path, form: str) -> None:
    sources = source_set(tmp_path, VIDEOS, form, split={"train": 0.5, "val": 0.5})
    build(sources)
    assert_whole(sources)
    found = {row["video_id"]: [] for row in rows_of(sources.output, "index")}
    for row in rows_of(sources.output, "index"):
        found[row["video_id"]].append([(s["clip_id"], s["start_ms"], s["end_ms"], s["text"]) for s in row["sentences"]])
    clips = {video_id: sorted(found[video_id]) for video_id in found}
    whole = {v.video_id: [(v.clip_id(i), *span) for i, span in enumerate(v.spans, 1)] for v in VIDEOS}
    assert clips == {
        "mammals": [whole["mammals"][:4], whole["mammals"][4:]],
        "polar mammals": [whole["polar mammals"][:3], whole["polar mammals"][3:]],
        "last-man": [whole["last-man"][:2]],
    }
    (dropped,) = (row for row in ledger(sources.output) if row["subject"] == "sentence")
    assert (dropped["subject_id"], dropped["reason"]) == ("last-man.3", "run_too_short")


@pytest.mark.shared_data
@pytest.mark.parametrize("form", usual("hdvila.parquet", "vtt"))
def test_the_independent_checker_agrees(tmp_path: Path, shared: Path, form: str) -> None:
    sources = source_set(tmp_path, VIDEOS, form, split={"train": 0.5, "val": 0.5}, frames={"short_side": 120})
    build(sources, probe="packets" if form == "vtt" else "header")
    assert_right(sources, shared)


@pytest.mark.parametrize("form", ["hdvila", pytest.param("vtt", marks=pytest.mark.exhaustive)])
def test_published_groups_replace_merging(tmp_path: Path, form: str) -> None:
    sources = source_set(tmp_path, VIDEOS, form)
    groups = [
        {"clip_id": ["mammals.1", "mammals.2", "mammals.3", "mammals.4", "mammals.5"]},
        ["mammals.6", "mammals.7", "gone.1"],
        ["last-man.3"],
        {"clip_id": ["last-man.3", "last-man.2"]},
    ]
    path = sources.folder / "groups.jsonl"
    path.write_text("".join(json.dumps(group) + "\n" for group in groups))
    sources.change(source=sources.settings["source"] | {"groups": path.name})
    build(sources)
    assert_whole(sources)
    assert sorted([s["clip_id"] for s in row["sentences"]] for row in rows_of(sources.output, "index")) == [
        ["last-man.2", "last-man.3"],
        ["mammals.1", "mammals.2", "mammals.3", "mammals.4", "mammals.5"],
    ]
    rows = {(row["subject"], row["subject_id"]): row["reason"] for row in ledger(sources.output)}
    assert rows["record", group_id(["mammals.6", "mammals.7", "gone.1"])] == "group_incomplete"
    assert {rows["sentence", f"mammals.{i}"] for i in (6, 7)} == {"group_incomplete"}
    assert rows["sentence", "last-man.1"] == "not_in_group"
    assert rows["video", "polar mammals"] == "no_long_clip"


@pytest.mark.shared_data
@pytest.mark.slow
def test_real_captions_of_real_videos(tmp_path: Path, shared: Path) -> None:
    """Every pair of video and transcript there is, with the default settings but for a smaller picture."""
    pairs = {
        "Mammals.mp4": "Mammals.en.vtt",
        "Mammals.webm": "Mammals.fr.vtt",
        "PolarMammals.mp4": "PolarMammals.en.vtt",
        "the_last_man_on_earth.mp4": "the_last_man_on_earth.vtt",
    }
    (tmp_path / "subs").mkdir()
    (tmp_path / "videos").symlink_to(shared / "data" / "videos")
    for video, captions in pairs.items():
        (tmp_path / "subs" / f"{video}.vtt").write_bytes((shared / "data" / "transcripts" / captions).read_bytes())
    write_rows(tmp_path / "videos.jsonl", [{"video_id": v, "uri": f"videos/{v}"} for v in pairs])
    sources = SourceSet(tmp_path)
    text = {"format": "vtt", "path": "subs/{video_id}.vtt"}
    sources.change(
        name="real", output="out", source={"videos": "videos.jsonl", "text": text}, frames={"short_side": 120}
    )
    build(sources, probe="header")
    assert_whole(sources)
    assert manifest(sources.output)["counts"]["videos"]["kept"] >= 3
    assert_right(sources, shared)
