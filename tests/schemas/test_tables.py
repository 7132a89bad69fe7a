import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from longtake.schemas import tables
from longtake.schemas.clip_columns import clips_of
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import FORMAT, Layout
from longtake.schemas.manifest import CorpusManifest, Count, ShardRecord, read_manifest
from longtake.schemas.reasons import FAILURES, Reason, Stage, Subject
from longtake.schemas.records import (
    Drop,
    IndexEntry,
    LongClip,
    Member,
    Sentence,
    SourceInfo,
    SourceVideo,
    SpeechScores,
    drop_clip,
)
from longtake.schemas.scores import PLAN_SCORES

SENTENCES = (Sentence("v.1", 0, 900, "One \u00fc."), Sentence("v.2", 1000, 2000, "Two words."))
VIDEO = SourceVideo("v", "v.mp4", "https://e.org", "CC0", '{"a":1}')
CLIP = LongClip("v-000000000-000002000", VIDEO, SENTENCES, (0, 450, 1000, 1500), 0.5, "train", 3, 7)
DROP = Drop("v", Subject.CLIP, CLIP.key, Stage.DECODE, Reason.FRAMES_DAMAGED, "why")
ENTRY = IndexEntry(
    LongClip(CLIP.key, VIDEO, SENTENCES, CLIP.frame_times_ms, None, "train", -1, 2),
    "train-000000",
    2,
    (Member("a.json", 512, 7),),
    "0" * 64,
    (0, 440, 990, 1490),
    (36, 64),
    SourceInfo(64, 36, 29.97, "h264", 5000),
)


def test_records_come_back_from_their_tables() -> None:
    (row,) = tables.table([tables.plan_row(CLIP)], tables.PLAN).to_pylist()
    assert tables.clip_from_row(row) == CLIP
    (row,) = tables.ledger_table([DROP]).to_pylist()
    assert tables.drop_from_row(row) == DROP
    (row,) = tables.table([tables.index_row(ENTRY)], tables.INDEX).to_pylist()
    assert tables.entry_from_row(row) == ENTRY
    assert set(tables.PLAN.names) <= set(tables.INDEX.names), "the index has all plan columns"


def test_plan_rows_by_columns_are_those_one_by_one() -> None:
    clips = [CLIP, replace(CLIP, key="b", sentences=CLIP.sentences[:1], frame_times_ms=(), scores=(), language=None)]
    for some in (clips, clips[:1], []):
        assert tables.with_paragraphs(tables.bare_plan_table(some)).equals(
            tables.table(map(tables.plan_row, some), tables.PLAN)
        )


def test_long_clips_come_back_by_columns() -> None:
    heard = SpeechScores(-0.5, None, 1.5, "en", 0.9)
    spoken = replace(SENTENCES[0], timing="words", asr="said", speaker="Ann")
    full = replace(
        CLIP,
        scores=((PLAN_SCORES[1], 2.5), (PLAN_SCORES[3], 0.0)),
        language="en",
        duplicate_of="x",
        duplicate_video_of="w",
    )
    some = [
        replace(full, sentences=(*SENTENCES, spoken), evaluation_overlap="set", coherence=None),
        CLIP,
        replace(CLIP, key="b", sentences=CLIP.sentences[:1], frame_times_ms=()),
        full,
    ]
    rows = tables.bare_plan_table(some)
    assert clips_of(rows) == some
    assert clips_of(rows.slice(1, 2)) == some[1:3]
    assert clips_of(rows.slice(0, 0)) == []
    with_speech = [replace(CLIP, speech=heard), replace(full, speech=SpeechScores())]
    assert clips_of(tables.bare_plan_table(with_speech)) == with_speech


@pytest.mark.parametrize("record", [CLIP, DROP, ENTRY, VIDEO, SENTENCES[0]])
def test_records_survive_pickling(record: object) -> None:
    assert pickle.loads(pickle.dumps(record)) == record  # noqa: S301


def test_counts_of_a_clip() -> None:
    assert (CLIP.start_ms, CLIP.end_ms, CLIP.n_words, CLIP.paragraph) == (0, 2000, 4, "One \u00fc. Two words.")


def test_a_dropped_clip_takes_its_sentences_with_it() -> None:
    rows = drop_clip(CLIP, Stage.DECODE, Reason.FRAMES_DAMAGED, "why")
    assert [(r.subject, r.subject_id) for r in rows] == [
        (Subject.CLIP, CLIP.key),
        (Subject.SENTENCE, "v.1"),
        (Subject.SENTENCE, "v.2"),
    ]


def test_only_videos_that_are_broken_count_as_failed() -> None:
    for reason in Reason:
        assert Drop("v", Subject.VIDEO, "v", Stage.PROBE, reason).is_failure == (reason in FAILURES)
        assert not Drop("v", Subject.SENTENCE, "v.1", Stage.PROBE, reason).is_failure
    assert Reason.NO_TEXT not in FAILURES


def corpus_manifest() -> CorpusManifest:
    shards = tuple(
        ShardRecord(name=f"train-{i:06d}.tar", split="train", samples=2, frames=8, bytes=9, sha256="0")
        for i in range(2)
    )
    counts = {s: Count(total=5, kept=4, dropped=1) for s in ("videos", "sentences", "clips")}
    return CorpusManifest(
        format=FORMAT, name="\u00fc", versions={}, config={}, fingerprint="f", counts=counts, shards=shards
    )


def test_corpus_json_comes_back(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    assert read_manifest(layout) is None
    Path(layout.manifest).write_bytes(corpus_manifest().to_bytes())
    assert read_manifest(layout) == corpus_manifest()
    raw = json.loads(Path(layout.manifest).read_bytes())
    assert raw["counts"]["clips"] == {"in": 5, "kept": 4, "dropped": 1}
    assert raw["splits"] == {"train": {"samples": 4, "frames": 16, "shards": 2}}


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"format": 1}', "\xff", '{"format": 99}'])
def test_a_broken_corpus_json_is_a_clear_error(tmp_path: Path, damage: str) -> None:
    layout = Layout(str(tmp_path))
    Path(layout.manifest).write_bytes(damage.encode("latin-1"))
    with pytest.raises(CorpusError, match=r"corpus\.json: "):
        read_manifest(layout)
