"""Comparing plans: written with the functions that assign and write plans, and edited with DuckDB."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from assigned import placed

from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.merge.merge import long_clip
from longtake.pipeline.plan.diff import diff_plans
from longtake.pipeline.plan.rows import read_plan_rows
from longtake.pipeline.plan.summary import summarise, write_summary
from longtake.pipeline.plan.video import measure
from longtake.schemas import storage, tables
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import CorpusError
from longtake.schemas.records import LongClip, Sentence, SourceVideo


def config(**settings: Any) -> CorpusConfig:
    return CorpusConfig.model_validate(
        {"name": "d", "output": "out", "source": {"videos": "v"}, "shards": {"samples": 4}} | settings
    )


def clips(videos: int = 10, each: int = 3) -> list[LongClip]:
    """`videos` videos of `each` long clips of two sentences; video 0 is in split val."""
    found = []
    for v in range(videos):
        video = SourceVideo(f"v{v}", f"videos/v{v}.mp4")
        for c in range(each):
            spoken = tuple(
                Sentence(f"v{v}.{c}.{i}", c * 60_000 + i * 6000, c * 60_000 + i * 6000 + 6000, f"Said {v} {c} {i}.")
                for i in range(2)
            )
            found.append(replace(long_clip(video, spoken, 8), split="val" if v == 0 else "train"))
    return found


def write(folder: Path, rows: list[LongClip], settings: CorpusConfig | None = None, summary: bool = True) -> str:
    """Assign, place and write a plan of one part, as `longtake plan` does."""
    settings = settings or config()
    plan = folder / "plan"
    clips = placed(rows, settings.shards.samples, seed=settings.seed)
    table = tables.with_paragraphs(tables.bare_plan_table(clips))
    storage.write_parquet(str(plan / "part-00000.parquet"), table, row_group_size=4)
    if summary:
        tally: Tally = measure(rows, None, None, settings)
        videos = {clip.video.video_id for clip in rows}
        tally.update({("planned",): len(videos) - 1, ("videos",): len(videos) + 1})
        write_summary(str(plan), summarise(settings, "none", tally, Counter({("dropped", "video", "merge", "x"): 1})))
    return str(folder)


def test_a_plan_is_the_same_as_itself(tmp_path: Path) -> None:
    corpus = write(tmp_path / "a", clips())
    found = diff_plans(corpus, f"{corpus}/plan")
    assert found.verdict == "The plans are the same."
    assert found.clips["same"] == 30
    assert sum(found.clips.values()) == 30
    assert found.shards is not None and found.shards["changed"] == 0
    assert found.examples == {} and found.settings == {} and found.notes == []


def test_the_figures_are_those_of_the_rows(tmp_path: Path) -> None:
    found = diff_plans(write(tmp_path / "a", clips()), write(tmp_path / "b", clips(videos=5)))
    assert found.figures["videos"] == (10, 5)
    assert found.figures["sentences"] == (60, 30)
    assert found.figures["long clips"] == (30, 15)
    assert found.figures["hours"] == (0.1, 0.05)
    assert found.figures["words"] == (240, 120)
    assert found.figures["frames"] == (480, 240)
    a, b = found.figures["CPU-hours"]
    assert found.verdict == f"B keeps 50.0 % fewer hours and saves {a - b:.2g} CPU-hours of decoding."
    assert found.drops == {"video merge x": (1, 1)}


def test_clips_of_one_plan_only(tmp_path: Path) -> None:
    rows = clips()
    found = diff_plans(write(tmp_path / "a", rows[:29]), write(tmp_path / "b", rows[1:]))
    assert (found.clips["only in A"], found.clips["only in B"]) == (1, 1)
    assert found.examples["only in A"] == ["v0-000000000-000012000: 'Said 0 0 0.'"]
    assert found.examples["only in B"] == ["v9-000120000-000132000: 'Said 9 2 0.'"]
    assert found.clips["same"] + found.clips["other shard"] == 28
    assert found.verdict.startswith("B keeps as many hours and takes as long")


def test_changed_clips(tmp_path: Path) -> None:
    rows = clips()
    other = list(rows)
    said = rows[4].sentences
    other[4] = replace(rows[4], sentences=(said[0], replace(said[1], text="Other\x1b[31m words")))
    other[7:9] = [replace(clip, video=replace(clip.video, license="CC0")) for clip in rows[7:9]]
    for i in (0, 1, 2):
        other[i] = replace(rows[i], split="train")
    found = diff_plans(write(tmp_path / "a", rows), write(tmp_path / "b", other))
    assert (found.clips["other text"], found.clips["other source"], found.clips["other split"]) == (1, 2, 3)
    assert found.examples["other text"] == [
        "v1-000060000-000072000: 'Said 1 1 1.' -> 'Other\\x1b[31m words'",
    ]
    assert "license 'None' -> 'CC0'" in found.examples["other source"][0].replace("''", "'None'")
    assert {e.partition(": ")[2] for e in found.examples["other split"]} == {"val -> train"}


def test_ten_examples_are_shown(tmp_path: Path) -> None:
    found = diff_plans(write(tmp_path / "a", clips()), write(tmp_path / "b", clips(videos=2)))
    assert found.clips["only in A"] == 24
    assert len(found.examples["only in A"]) == 10


def test_only_the_shards_of_a_changed_text_change(tmp_path: Path) -> None:
    rows = clips()
    text = replace(rows[4].sentences[0], text="New.")
    other = [replace(c, sentences=(text, c.sentences[1])) if c.key == rows[4].key else c for c in rows]
    found = diff_plans(write(tmp_path / "a", rows), write(tmp_path / "b", other))
    assert found.shards is not None
    assert found.shards["changed"] == 1
    assert found.shards["same"] == found.shards["in A"] - 1
    assert found.shards["gone"] == found.shards["new"] == 0


def test_other_frame_settings_change_every_shard(tmp_path: Path) -> None:
    other = config(frames={"quality": 50})
    found = diff_plans(write(tmp_path / "a", clips()), write(tmp_path / "b", clips(), other))
    assert found.settings == {"frames.quality": (90, 50)}
    assert found.shards is not None and found.shards["same"] == 0
    assert found.clips["same"] == 30
    assert found.verdict != "The plans are the same."


def test_an_edited_plan_is_compared_before_it_is_built(tmp_path: Path) -> None:
    corpus = write(tmp_path / "a", clips())
    (tmp_path / "edited").mkdir()
    for half in (0, 1):
        duckdb.execute(  # half the rows in each file, without columns that an edited plan need not have
            f"COPY (SELECT * EXCLUDE (key, frame_times_ms, shard, position, url) FROM '{corpus}/plan/*.parquet' "  # noqa: S608
            f"WHERE video_id <> 'v3' AND n_words % 2 = 0 AND hash(key) % 2 = {half} ORDER BY random()) "
            f"TO '{tmp_path}/edited/{half} x.parquet'"
        )
    found = diff_plans(corpus, str(tmp_path / "edited"))
    assert found.clips["only in A"] == 3
    assert found.clips["same"] == 27
    assert found.shards is None and found.settings is None and found.drops is None
    assert found.figures["frames"] == (480, None)
    assert found.figures["CPU-hours"][1] is None
    assert found.verdict == "B keeps 10.0 % fewer hours and what that saves or costs is unknown."
    assert "B has no _plan.json" in found.notes[0]
    assert diff_plans(corpus, f"{tmp_path}/edited/0 x.parquet").clips["only in B"] == 0


def test_repeated_rows_and_changes_in_place_are_told(tmp_path: Path) -> None:
    rows = clips()
    corpus = write(tmp_path / "a", rows)
    doubled = write(tmp_path / "b", rows)
    write(tmp_path / "b", [*rows, rows[0]], summary=False)
    found = diff_plans(corpus, doubled)
    assert "B has 1 rows with the key of another row." in found.notes
    assert any("changed in place: _plan.json speaks of 30" in note for note in found.notes)
    assert found.clips["only in B"] == 0


def test_the_json_names_both_sides(tmp_path: Path) -> None:
    found = diff_plans(write(tmp_path / "a", clips()), write(tmp_path / "b", clips(videos=9))).to_json()
    assert json.loads(json.dumps(found))["figures"]["videos"] == {"a": 10, "b": 9}
    assert found["clips"]["only in A"] == 3


def test_reading_does_not_depend_on_row_groups(tmp_path: Path) -> None:
    corpus = write(tmp_path / "a", clips())
    duckdb.execute(f"COPY (SELECT * FROM '{corpus}/plan/*.parquet') TO '{tmp_path}/one.parquet'")  # noqa: S608
    one, many = read_plan_rows(f"{tmp_path}/one.parquet"), read_plan_rows(corpus)
    assert (one.clips == many.clips).all()
    assert (one.ms, one.words, one.frames, one.videos) == (many.ms, many.words, many.frames, many.videos)


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("SELECT 1 AS x", "column video_id, uri, sentences, split is missing"),
        ("SELECT * REPLACE (sentences[1:0] AS sentences) FROM plan", "has no sentences"),
        ("SELECT * REPLACE ([NULL]::STRUCT(clip_id VARCHAR, start_ms BIGINT, end_ms BIGINT, text VARCHAR)[] AS sentences)"
         " FROM plan", "rows 1 to 30 are not rows of a plan"),
    ],
)  # fmt: skip
def test_what_is_no_plan_is_refused(tmp_path: Path, select: str, message: str) -> None:
    corpus = write(tmp_path / "a", clips())
    database = duckdb.connect()
    database.execute(f"CREATE VIEW plan AS SELECT * FROM '{corpus}/plan/*.parquet'")  # noqa: S608
    database.execute(f"COPY ({select}) TO '{tmp_path}/x.parquet'")
    with pytest.raises(CorpusError, match=message):
        diff_plans(corpus, f"{tmp_path}/x.parquet")


def test_a_folder_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no plan found"):
        diff_plans(str(tmp_path), str(tmp_path))
