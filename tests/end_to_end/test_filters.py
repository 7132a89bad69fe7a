"""Filters and duplicates from plan to corpus: all on at once, on real videos, and every input is accounted for."""

import io
import random
from pathlib import Path
from typing import Any

import pytest
from media import make
from rich.console import Console
from sources import (
    LAST_MAN,
    ONE_THREAD,
    SourceSet,
    Video,
    build,
    ledger,
    manifest,
    published,
    rows_of,
    source_set,
    spoken,
)

from longtake.jobs.build.plan import current_plan, make_plan
from longtake.jobs.build.report import print_plan
from longtake.jobs.build.request import BuildRequest, ProbeMode
from longtake.pipeline.verify.corpus import verify
from longtake.schemas.config import load_config
from longtake.schemas.layout import Layout
from longtake.schemas.scores import FRAME_SCORES, column

SAID = (
    "Mammals are a group of vertebrates, animals with backbones.",
    "They are distinguished by having four feet.",
    "Mammals have hair, and they suckle their young.",
    "Some of them live in the sea, write to bear@arctic.org.",
)
FRENCH = (
    "Les mammifères sont un groupe de vertébrés.",
    "Ils se distinguent car ils ont quatre pieds.",
    "Les petits boivent le lait de leur mère.",
    "Certains vivent dans la mer toute l'année.",
)
LOOP = ("Thank you for watching us today.",) * 4
OTHER = (
    "The man walks through an empty city.",
    "He has been alone for three years now.",
    "Nobody answers when he calls the radio.",
    "At night he stays behind locked doors.",
)


def said(texts: tuple[str, ...], start: int = 0, length: int = 3000) -> tuple[tuple[int, int, str], ...]:
    return tuple((start + n * length, start + n * length + length - 200, text) for n, text in enumerate(texts))


_STILLS = ("smptebars=size=320x180:rate=10:duration=6", "rgbtestsrc=size=320x180:rate=10:duration=6")
SLIDES = make(
    "slides.mp4",
    [
        *(word for still in _STILLS for word in ("-f", "lavfi", "-i", still)),
        *("-filter_complex", "concat=n=2,format=yuv420p", "-threads", "1"),
    ],
)
VIDEOS = [
    Video("talk", said(SAID)),
    Video("again", said(SAID)),
    Video("french", said(FRENCH)),
    Video("loop", said(LOOP)),
    Video("film", said(OTHER), LAST_MAN),
    Video("still", said(tuple(f"{text} It goes on." for text in OTHER)), SLIDES),
    Video("held-back", said(("We say something that nobody else has said.", "It is another matter."))),
    Video("short", spoken(1)),
]
FILTERS: dict[str, Any] = {
    "scores": True,
    "min_words_per_sentence": 3,
    "max_words_per_second": 8,
    "max_repetition": 0.3,
    "max_non_speech": 0.5,
    "languages": ["en"],
    "min_characters": 0.9,
    "pii": "mask",
    "min_short_side": 100,
    "max_aspect": 3,
    "min_seconds": 2,
    "max_black": 0.5,
    "max_slides": 0.9,
    "max_frozen": 0.95,
}
DUPLICATES = {"paragraphs": "drop", "evaluation": [{"name": "bench", "path": "bench.txt"}]}
SETTINGS: dict[str, Any] = {
    "filters": FILTERS,
    "duplicates": DUPLICATES,
    "max_failed": 0,
    "frames": {"short_side": 64, "per_sentence": 2},
}


def laid_out(folder: Path, **settings: Any) -> SourceSet:
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "bench.txt").write_text("# ids\nheld-back.mp4\n")
    return source_set(folder, VIDEOS, **SETTINGS | settings)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    sources = laid_out(tmp_path_factory.mktemp("filtered"))
    build(sources, probe="header")
    return sources


def reasons_of_clips(corpus: Path) -> dict[str, tuple[str, str]]:
    return {r["video_id"]: (r["stage"], r["reason"]) for r in ledger(corpus) if r["subject"] == "clip"}


def test_each_goes_for_its_own_reason_and_all_is_accounted_for(corpus: SourceSet) -> None:
    found = reasons_of_clips(corpus.output)
    twin = "again" if "again" in found else "talk"
    assert found == {
        twin: ("filter", "exact_duplicate"),
        "french": ("filter", "other_language"),
        "loop": ("filter", "repetition"),
        "held-back": ("filter", "evaluation_overlap"),
        "still": ("decode", "slides"),
    }
    counts = manifest(corpus.output)["counts"]
    assert counts == {
        "videos": {"in": 8, "kept": 2, "dropped": 6},
        "sentences": {"in": 27, "kept": 8, "dropped": 19},
        "clips": {"in": 7, "kept": 2, "dropped": 5},
    }
    assert verify(str(corpus.output)).faults == ()


def test_scores_are_columns_of_the_plan_and_the_index(corpus: SourceSet) -> None:
    planned = {row["video_id"]: row for row in rows_of(corpus.output, "plan")}
    packed = {row["video_id"]: row for row in rows_of(corpus.output, "index")}
    assert set(planned) - set(packed) == {"still"}
    for video, row in packed.items():
        assert row["language"] == planned[video]["language"] == "en"
        for name in ("repetition", "words_per_second", "short_side", "audio", "pii"):
            assert row[column(name)] == planned[video][column(name)] is not None
        assert row["score_profanity"] is None
        assert all(0 <= row[column(name)] <= 1 for name in FRAME_SCORES)
    talk = next(row for row in packed.values() if row["video_id"] != "film")
    assert talk["score_pii"] == 1
    assert talk["paragraph"].endswith("write to [email].")
    assert packed["film"]["score_audio"] in (0.0, 1.0)


def test_the_plan_tells_what_was_left_out(tmp_path: Path) -> None:
    sources, printed = laid_out(tmp_path), io.StringIO()
    config = load_config(str(sources.config))
    console = Console(file=printed, width=120)
    summary = make_plan(BuildRequest(config, ProbeMode.HEADER, 1, ONE_THREAD), console)
    print_plan(summary, Layout(config.root), console)
    assert all(count.balances for count in summary.counts.values())
    assert summary.counts["clips"].total == 7
    assert summary.drops["clip filter repetition"] == 1
    assert summary.drops["video filter all_clips_filtered"] == 4
    assert summary.failed_videos == 0
    assert "Masked in the text: 2 email" in printed.getvalue()
    for reason in ("repetition", "other_language", "exact_duplicate", "evaluation_overlap"):
        assert reason in printed.getvalue()
    assert current_plan(config) == summary
    (tmp_path / "bench.txt").write_text("another\n")
    assert current_plan(config) is None, "a list that changed makes another plan"


@pytest.mark.exhaustive
def test_the_same_bytes_whatever_the_order_and_the_workers(corpus: SourceSet, tmp_path: Path) -> None:
    sources = laid_out(tmp_path)
    lines = (tmp_path / "videos.jsonl").read_text().splitlines(keepends=True)
    random.Random(3).shuffle(lines)
    (tmp_path / "videos.jsonl").write_text("".join(lines))
    build(sources, workers=1, probe="header", beam=["--direct_runner_bundle_repeat=1"])
    assert published(sources.output) == published(corpus.output)


def test_another_threshold_decodes_nothing_anew(tmp_path: Path) -> None:
    sources = laid_out(tmp_path)
    build(sources, probe="header")
    sources.change(filters=FILTERS | {"max_slides": None, "max_frozen": None})
    assert "fragments of an earlier run reused" in build(sources, probe="header", overwrite=True)
    assert "still" not in reasons_of_clips(sources.output)
    assert manifest(sources.output)["counts"]["clips"] == {"in": 7, "kept": 3, "dropped": 4}


@pytest.mark.exhaustive
def test_an_edited_plan_keeps_scores_and_balances(tmp_path: Path) -> None:
    import duckdb

    sources = laid_out(tmp_path)
    build(sources, probe="header")
    (tmp_path / "edited").mkdir()
    query = f"SELECT * FROM '{sources.output}/plan/*.parquet' WHERE score_short_side > 400 OR video_id = 'still'"  # noqa: S608
    duckdb.sql(f"COPY ({query}) TO '{tmp_path}/edited/plan.parquet'")
    build(sources, plan=str(tmp_path / "edited"), overwrite=True)
    (row,) = rows_of(sources.output, "index")
    assert row["video_id"] == "film"
    assert row["score_words_per_second"] > 0
    assert manifest(sources.output)["counts"]["clips"] == {"in": 7, "kept": 1, "dropped": 6}
    assert verify(str(sources.output)).faults == ()


def test_off_by_default(tmp_path: Path) -> None:
    sources = laid_out(tmp_path, filters={}, duplicates={})
    build(sources)
    rows = rows_of(sources.output, "index")
    assert len(rows) == 7
    assert {row[name] for row in rows for name in row if name.startswith("score_")} == {None}
