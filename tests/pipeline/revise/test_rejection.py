"""Rejected long clips of finished corpora: which rows follow, when a video is gone with them, and what merging makes of it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import corpora
import pyarrow as pa
import pytest

from longtake.pipeline.embeddings.saved import without_videos
from longtake.pipeline.revise.change import VersionChange, merge_video, without_text
from longtake.pipeline.revise.rejection import Rejection
from longtake.pipeline.revise.select import KnownSamples, PlannedSample, known_samples
from longtake.pipeline.verify import verify
from longtake.schemas import storage, tables
from longtake.schemas.keys import sample_key
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip, drop_clip

CLIPS = corpora.clips_of("alpha", corpora.config())
ONE, TWO = (clip.key for clip in CLIPS)
NAMES = ("one", "other", "third")
DAMAGED = (Reason.FRAMES_DAMAGED, "frame 3")
TIMEOUT = (Reason.TIMEOUT, "900 s")
BLACK = (Reason.BLACK_FRAMES, "0.9 is above 0.5")
WHY = {ONE: (Stage.TAKEDOWN, "reject by Ann")}
OUT = Drop("alpha", Subject.CLIP, ONE, Stage.TAKEDOWN, Reason.REJECTED, "reject by Ann")
GONE = Drop("alpha", Subject.VIDEO, "alpha", Stage.FILTER, Reason.REJECTED, "reject by Ann")
DOWN = Drop("alpha", Subject.VIDEO, "alpha", Stage.TAKEDOWN, Reason.TAKEN_DOWN, "please")


def planned(one: Any = None, two: Any = None) -> list[PlannedSample]:
    return [PlannedSample("alpha", ONE, ("a.1", "a.2"), one), PlannedSample("alpha", TWO, ("a.3",), two)]


@pytest.mark.parametrize(
    ("two", "undecoded"),
    [
        (None, None),
        (DAMAGED, Reason.ALL_CLIPS_DROPPED),
        (TIMEOUT, Reason.TIMEOUT),
        (BLACK, Reason.ALL_CLIPS_FILTERED),
    ],
)
def test_a_video_is_gone_with_its_last_sample(two: Any, undecoded: Reason | None) -> None:
    found = Rejection.of(WHY, planned(two=two))
    assert not found.emptied and found.sentences == {("alpha", "a.1"), ("alpha", "a.2")}
    rows = found.video_rows()
    assert [(row.stage, row.reason) for row in rows] == ([(Stage.DECODE, undecoded)] if undecoded else [])


def test_a_video_without_a_planned_clip_is_emptied() -> None:
    found = Rejection.of(WHY | {TWO: (Stage.FILTER, "")}, planned(two=DAMAGED))
    (row,) = found.video_rows()
    assert (row.stage, row.reason, row.subject_id) == (Stage.TAKEDOWN, Reason.ALL_CLIPS_FILTERED, "alpha")


def test_a_video_that_had_failed_keeps_its_row() -> None:
    found = Rejection.of(WHY, planned(one=TIMEOUT, two=TIMEOUT))
    assert found.video_rows() == []
    kept = Drop("alpha", Subject.VIDEO, "alpha", Stage.DECODE, *TIMEOUT)
    assert found.keeps(kept) == kept
    assert Rejection.of(WHY | {TWO: WHY[ONE]}, planned(one=TIMEOUT, two=TIMEOUT)).keeps(kept) is None


def test_only_what_is_planned_is_rejected() -> None:
    assert not Rejection.of({"nobody-000000000-000000001": WHY[ONE]}, planned()).why
    assert not Rejection.of(WHY, []).why


def test_rows_of_what_goes_are_replaced_and_quote_nothing() -> None:
    found = Rejection.of(WHY, planned(one=DAMAGED))
    lost = [Drop("alpha", Subject.CLIP, ONE, Stage.DECODE, *DAMAGED)]
    lost += [Drop("alpha", Subject.SENTENCE, "a.2", Stage.DECODE, Reason.FRAMES_DAMAGED)]
    assert [found.keeps(row) for row in lost] == [None, None]
    note = Drop("alpha", Subject.NOTE, ONE, Stage.CAPTION, Reason.NOT_REWRITTEN, "it says: said here")
    assert found.keeps(note) == replace(note, detail="")
    others = [
        replace(lost[0], subject_id=TWO),
        replace(lost[1], subject_id="a.3"),
        replace(lost[1], video_id="beta"),
        replace(lost[1], stage=Stage.MERGE),
        replace(note, subject_id="alpha"),
    ]
    assert [found.keeps(row) for row in others] == others


def test_a_rejected_sample_of_a_video_that_is_taken_down_later_keeps_its_rows() -> None:
    change = VersionChange((Layout("a"),), Layout("b"), 0, 4, taken_down={"alpha": "please"})
    assert change.keeps(OUT) == replace(OUT, detail="") == without_text(OUT)
    assert change.keeps(replace(OUT, reason=Reason.TAKEN_DOWN)) is None
    assert change.forgets and not VersionChange((Layout("a"),), Layout("b"), 0, 4).forgets


# -- merging -----------------------------------------------------------------------------------------------------------


def merged(*arguments: Any) -> tuple[list[LongClip], list[Drop]]:
    outcome = list(merge_video("alpha", *arguments, NAMES))
    rows = sorted(o for o in outcome if isinstance(o, Drop) and o.subject is not Subject.RECORD)
    return [o for o in outcome if isinstance(o, LongClip)], rows


def of(rows: list[Drop], subject: Subject) -> list[Drop]:
    return [row for row in rows if row.subject is subject]


@pytest.mark.parametrize("stage", [Stage.FILTER, Stage.TAKEDOWN])
def test_a_sample_that_was_rejected_in_another_corpus_is_left_out(stage: Stage) -> None:
    out = replace(OUT, stage=stage)
    clips, rows = merged([(0, CLIPS[0]), (0, CLIPS[1]), (1, CLIPS[1])], [(1, out)], [0, 1])
    assert clips == [CLIPS[1]]
    assert rows == sorted(drop_clip(CLIPS[0], stage, Reason.REJECTED, "reject by Ann"))


def test_a_video_of_the_corpus_that_rejected_is_as_it_was() -> None:
    clips, rows = merged([(0, CLIPS[1]), (1, CLIPS[0])], [(0, OUT)], [0, 1])
    assert clips == [CLIPS[1]] and rows == [OUT]


def test_by_another_cut_it_is_left_out_too_and_stays_known() -> None:
    start, end = CLIPS[0].start_ms, CLIPS[0].end_ms
    other = replace(OUT, subject_id=sample_key("alpha", start - 500, end + 500))
    elsewhere = replace(OUT, subject_id=sample_key("alpha", 900_000, 950_000))
    clips, rows = merged([(0, CLIPS[0]), (0, CLIPS[1])], [(1, other), (2, elsewhere)], [0])
    assert clips == [CLIPS[1]]
    (own,) = of(rows, Subject.CLIP)
    assert (
        own.subject_id == ONE
        and own.detail == f"shares at least half of its time with {other.subject_id}: reject by Ann"
    )
    notes = of(rows, Subject.NOTE)
    assert {(note.subject_id, note.stage, note.reason) for note in notes} == {
        (row.subject_id, Stage.TAKEDOWN, Reason.REJECTED) for row in (other, elsewhere)
    }
    again, rows = merged([(0, CLIPS[0])], [(1, note) for note in notes], [0])
    assert again == [] and len(of(rows, Subject.NOTE)) == 2, "notes are heeded like rows, and go on"


def test_of_all_samples_rejected_elsewhere_a_video_row_is_left() -> None:
    failed = [Drop("alpha", Subject.VIDEO, "alpha", Stage.DECODE, *TIMEOUT)]
    failed += [row for clip in CLIPS for row in drop_clip(clip, Stage.DECODE, *TIMEOUT)]
    out = [OUT, replace(OUT, subject_id=TWO)]
    for own in ([], failed):
        rejected = [(1, row) for row in out]
        clips, rows = merged([(0, c) for c in CLIPS], [*((0, row) for row in own), *rejected], [] if own else [0])
        assert clips == []
        assert [(row.stage, row.reason) for row in of(rows, Subject.VIDEO)] == [
            (Stage.TAKEDOWN, Reason.ALL_CLIPS_FILTERED)
        ]
        assert len(of(rows, Subject.SENTENCE)) == 6 and len(of(rows, Subject.CLIP)) == 2
        assert {row.stage for row in rows} == {Stage.TAKEDOWN}


def test_what_is_left_had_failed() -> None:
    lost = drop_clip(CLIPS[1], Stage.DECODE, *DAMAGED)
    clips, rows = merged([(0, c) for c in CLIPS], [*((0, row) for row in lost), (1, OUT)], [0])
    assert clips == [CLIPS[1]]
    (video,) = of(rows, Subject.VIDEO)
    assert (video.stage, video.reason) == (Stage.DECODE, Reason.ALL_CLIPS_DROPPED)


def test_a_video_that_was_rejected_when_planning_is_left_out_whole() -> None:
    clips, rows = merged([(0, CLIPS[0])], [(1, GONE)], [0])
    assert clips == [] and of(rows, Subject.VIDEO) == [GONE]
    assert {(row.stage, row.reason) for row in rows} == {(Stage.FILTER, Reason.REJECTED)}
    theirs = Drop("alpha", Subject.SENTENCE, "alpha.1", Stage.FILTER, Reason.REJECTED, "in video alpha")
    assert merged([], [(0, GONE), (0, theirs)], []) == ([], sorted([GONE, theirs]))
    clips, rows = merged([(0, CLIPS[0])], [(1, GONE), (2, DOWN)], [0])
    assert of(rows, Subject.VIDEO) == [DOWN], "taken down is more than rejected"


def test_names_of_a_stranger_reject_nothing_else() -> None:
    strange = [
        replace(OUT, subject_id=name) for name in ("x", "../alpha-000000000-000009000", sample_key("beta", 0, 10**6))
    ]
    clips, rows = merged([(0, CLIPS[0])], [(1, row) for row in strange], [0])
    assert clips == [CLIPS[0]] and {row.subject for row in rows} == {Subject.NOTE}


# -- finished corpora --------------------------------------------------------------------------------------------------


def test_known_samples_are_planned_or_have_a_row(tmp_path: Path) -> None:
    layout = corpora.build(tmp_path)
    first, second = (clip.key for clip in corpora.clips_of(corpora.DAMAGED, corpora.config()))
    gone = replace(OUT, subject_id=TWO.replace("alpha", "gone"))
    storage.write_parquet(str(tmp_path / "ledger" / "part-takedown-00000.parquet"), tables.ledger_table([gone]))
    known = known_samples(layout, frozenset({first, gone.subject_id, "nobody-000000000-000000001"}))
    assert known.here == {first} and known.gone == {gone.subject_id}
    assert {clip.key: clip.lost and clip.lost[0] for clip in known.planned} == {
        first: None,
        second: Reason.FRAMES_DAMAGED,
    }
    assert all(len(clip.sentences) == 3 for clip in known.planned)
    assert known_samples(layout, frozenset()) == KnownSamples(frozenset(), frozenset(), ())


def test_embeddings_of_sentences_go(tmp_path: Path) -> None:
    path = str(tmp_path / "part-00007.parquet")
    storage.write_parquet(path, pa.table({"video_id": ["a", "b", "b", "c"], "clip_id": ["1", "1", "2", "1"]}))
    assert without_videos(path, {"c"}, str(tmp_path / "new"), {("b", "1")}) == 2
    kept = storage.read_parquet(str(tmp_path / "new" / "part-00007.parquet")).to_pylist()
    assert kept == [{"video_id": "a", "clip_id": "1"}, {"video_id": "b", "clip_id": "2"}]


def test_verify_sees_a_rejected_sample_that_is_still_there(tmp_path: Path) -> None:
    corpora.build(tmp_path)
    drops = drop_clip(CLIPS[0], Stage.TAKEDOWN, Reason.REJECTED)
    path = str(tmp_path / "ledger" / "part-takedown-00000.parquet")
    storage.write_parquet(path, tables.ledger_table(drops))
    faults = Counter(str(fault) for fault in verify(str(tmp_path), workers=1).faults)
    assert any(f"{ONE}" in fault and "taken down, but it is in the plan" in fault for fault in faults), faults
