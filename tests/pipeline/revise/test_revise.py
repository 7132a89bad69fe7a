"""What follows from a change for rows, shards and embeddings; and that verify sees where a takedown or a history is not right."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import corpora
import numpy as np
import pyarrow as pa
import pytest

from longtake.pipeline.build.pack import pack
from longtake.pipeline.build.stored import read_frames, stored_samples, unchanged
from longtake.pipeline.embeddings.saved import without_videos
from longtake.pipeline.fragments.plan_table import plan_parts
from longtake.pipeline.plan.summary import summarise
from longtake.pipeline.revise.change import VersionChange, merge_video, without_text
from longtake.pipeline.revise.figures import revised_summary
from longtake.pipeline.revise.select import failed_videos, known_videos
from longtake.pipeline.revise.tables_graph import measure, read_clips
from longtake.pipeline.verify import verify
from longtake.schemas import storage, tables
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import read_manifest
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip

CLIPS = corpora.clips_of("alpha", corpora.config())
NAMES = ("one", "other", "third")
SENTENCE = Drop("alpha", Subject.SENTENCE, "alpha.9", Stage.MERGE, Reason.RUN_TOO_SHORT, "said here")
FAILED = Drop("alpha", Subject.VIDEO, "alpha", Stage.DECODE, Reason.TIMEOUT, "900 s")
DOWN = Drop("alpha", Subject.VIDEO, "alpha", Stage.TAKEDOWN, Reason.TAKEN_DOWN, "please")


def merged(*arguments: Any) -> tuple[list[LongClip], list[Drop]]:
    outcome = list(merge_video("alpha", *arguments, NAMES))
    return [o for o in outcome if isinstance(o, LongClip)], sorted(o for o in outcome if isinstance(o, Drop))


def test_a_video_of_one_corpus_is_as_it_was() -> None:
    assert merged([(1, CLIPS[0])], [(1, SENTENCE)], [1]) == ([CLIPS[0]], [SENTENCE])


def test_of_several_the_first_with_samples_counts_whole() -> None:
    clips, drops = merged([(0, CLIPS[0]), (1, CLIPS[1]), (2, CLIPS[0])], [(0, FAILED), (2, SENTENCE)], [2, 1])
    assert clips == [CLIPS[1]]
    assert [(row.subject, row.subject_id, row.reason) for row in drops] == [
        (Subject.RECORD, "one: video alpha", Reason.DUPLICATE_ID),
        (Subject.RECORD, "third: video alpha", Reason.DUPLICATE_ID),
    ]
    assert {row.detail for row in drops} == {
        "one has video alpha again; that of other is used",
        "third has video alpha again; that of other is used",
    }


def test_without_samples_the_first_that_knows_it_counts() -> None:
    clips, drops = merged([], [(1, FAILED), (2, SENTENCE)], [])
    assert clips == []
    assert FAILED in drops and SENTENCE not in drops


def test_taken_down_in_one_is_taken_down_in_all() -> None:
    clips, drops = merged([(0, CLIPS[0])], [(0, SENTENCE), (1, DOWN)], [0])
    assert clips == []
    of_video = [row for row in drops if row.subject is Subject.VIDEO]
    assert of_video == [DOWN]
    assert replace(SENTENCE, detail="") in drops
    taken = [row.subject_id for row in drops if row.stage is Stage.TAKEDOWN and row.subject is Subject.SENTENCE]
    assert taken == sorted(s.clip_id for s in CLIPS[0].sentences)


def test_rows_of_a_video_that_is_taken_down_quote_nothing() -> None:
    assert without_text(SENTENCE) == replace(SENTENCE, detail="")
    assert without_text(FAILED) is None
    lost = Drop("alpha", Subject.SENTENCE, "alpha.1", Stage.DECODE, Reason.TIMEOUT)
    assert without_text(lost) is None, "the plan's clips say what is lost"


def test_failures_are_found_by_reason(tmp_path: Path) -> None:
    layout = corpora.build(tmp_path)
    both = failed_videos(layout, frozenset({Reason.UNREADABLE, Reason.FRAMES_DAMAGED}))
    assert both.planned == {corpora.LOST_VIDEO, corpora.DAMAGED} and not both.unplanned
    assert both.rows == {("video", "unreadable"): 1, ("clip", "unreadable"): 2, ("clip", "frames_damaged"): 1}
    one = failed_videos(layout, frozenset({Reason.TIMEOUT}))
    assert not one.planned and one.other == {"unreadable": 3, "frames_damaged": 1}


def test_known_is_what_is_planned_or_has_a_row_of_its_own(tmp_path: Path) -> None:
    layout = corpora.build(tmp_path)
    ids = frozenset({"alpha", corpora.LOST_VIDEO, "zeta", "a b/ç", "nobody"})
    assert known_videos(layout, ids).here == ids - {"nobody"}


def test_stored_samples_make_the_same_shard_and_are_known_for_unchanged(tmp_path: Path) -> None:
    layout, other = corpora.build(tmp_path / "one"), Layout(str(tmp_path / "other"))
    stored = stored_samples(layout.shard_index("train-000000"), set(corpora.VIDEOS))
    samples = [found.sample(found.entry.clip) for found in stored.values()]
    record = unchanged("train", 0, samples, stored)
    manifest = read_manifest(layout)
    assert manifest is not None and record == manifest.shards[0]
    assert pack(other, "train", 0, samples) == record
    assert storage.read_bytes(other.shard("train-000000")) == storage.read_bytes(layout.shard("train-000000"))
    assert unchanged("train", 1, samples, stored) is None
    assert unchanged("train", 0, samples[:-1], stored) is None
    assert unchanged("train", 0, samples[::-1], stored) is None
    mended = replace(samples[0].clip, language="fr")
    assert unchanged("train", 0, [replace(samples[0], clip=mended), *samples[1:]], stored) is None


def test_a_damaged_sample_is_not_copied(tmp_path: Path) -> None:
    layout = corpora.build(tmp_path)
    stored = next(iter(stored_samples(layout.shard_index("train-000000"), set(corpora.VIDEOS)).values()))
    path = tmp_path / "shards" / "train-000000.tar"
    data = bytearray(path.read_bytes())
    data[stored.entry.members[-1].offset + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorpusError, match=r"is damaged\. Check the corpus with: longtake verify"):
        read_frames(stored)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("key", "../../alpha-000000000-000001000", "does not match its long clip"),
        ("split", "/elsewhere/x", "is not made of letters and digits"),
        ("split", "gs://bucket/x", "is not made of letters and digits"),
    ],
)
def test_names_of_a_strangers_plan_lead_nowhere_else(tmp_path: Path, column: str, value: str, said: str) -> None:
    layout = corpora.build(tmp_path)
    part = plan_parts(layout)[0]
    assert len(list(read_clips(part))) > 1
    corpora.edit_table(Path(part), lambda rows: rows[-1].update({column: value}))
    with pytest.raises(CorpusError, match=said):
        list(read_clips(part))


def test_the_index_of_a_stranger_names_its_own_shard(tmp_path: Path) -> None:
    index = Path(corpora.build(tmp_path).shard_index("train-000000"))
    corpora.edit_table(index, lambda rows: rows[-1].update(shard="../../other/shards/train-000000"))
    with pytest.raises(
        CorpusError, match=r"names another shard than train-000000\. Check the corpus with: longtake verify"
    ):
        stored_samples(str(index), set(corpora.VIDEOS))


def test_captions_are_counted_anew(tmp_path: Path) -> None:
    summary = summarise(corpora.config(), "none", Counter(), Counter())
    layout = Layout(str(tmp_path))
    first = CLIPS[0]
    captioned = replace(first, sentences=tuple(replace(s, asr="what was said") for s in first.sentences))
    tally = sum((Counter(measure(clip)) for clip in (captioned, CLIPS[1])), Counter())
    change = VersionChange((layout, layout), Layout(str(tmp_path / "new")), 0, 4)
    assert revised_summary(change, (summary, summary), tally, Counter()).rewritten == 1


def test_embeddings_of_a_video_go(tmp_path: Path) -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(6, np.float16)), 2)
    columns = [
        pa.array(["a", "b", "b"]),
        pa.array(["a.1", "b.1", "b.2"]),
        pa.array([b"x" * 32] * 3, pa.binary(32)),
        vectors,
    ]
    schema = tables.embeddings(2).with_metadata({b"model": b"m"})
    path = str(tmp_path / "part-00007.parquet")
    storage.write_parquet(path, pa.Table.from_arrays(columns, schema=schema))
    assert without_videos(path, {"b"}, str(tmp_path / "new")) == 2
    kept = storage.read_parquet(str(tmp_path / "new" / "part-00007.parquet"))
    assert kept["video_id"].to_pylist() == ["a"] and kept.schema.metadata == {b"model": b"m"}
    assert without_videos(path, {"a", "b"}, str(tmp_path / "none")) == 3
    assert not (tmp_path / "none").exists()
    storage.write_bytes(path, b"PAR1 and no more")
    assert without_videos(path, {"b"}, str(tmp_path / "none")) == 0
    storage.write_parquet(path, pa.table({"other": ["b said this"]}))
    assert without_videos(path, {"b"}, str(tmp_path / "none")) == 0
    assert not (tmp_path / "none").exists(), "what cannot be read may hold anything"


@pytest.mark.parametrize(
    ("version", "history"),
    [(2, []), (2, [{"version": 3}]), (3, [{"version": 2}]), (2, [{"version": 2}, {"version": 2}]), (0, [])],
)
def test_verify_sees_a_history_that_is_not_right(tmp_path: Path, version: int, history: list[Any]) -> None:
    corpora.build(tmp_path)
    corpora.edit_manifest(tmp_path, lambda raw: raw.update(version=version, history=history))
    assert any("the history is of versions" in str(fault) for fault in verify(str(tmp_path), workers=1).faults)


def test_verify_sees_a_taken_down_video_that_is_still_there(tmp_path: Path) -> None:
    corpora.build(tmp_path)
    path = tmp_path / "ledger" / "part-takedown-00000.parquet"
    storage.write_parquet(str(path), tables.ledger_table([replace(DOWN, video_id="alpha", subject_id="alpha")]))
    found = [str(fault) for fault in verify(str(tmp_path), workers=1).faults]
    assert any("taken down, but it is in the plan" in fault for fault in found)
    assert any("dropped, but it has samples" in fault for fault in found)
