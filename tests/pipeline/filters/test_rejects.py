"""Which long clips of a plan a reject means, and how rejects reach the workers."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from longtake.pipeline.filters.rejects import RejectIndex, Rejects, keep_rejects, rejected_clips, spans_in, why
from longtake.pipeline.plan.summary import applied
from longtake.schemas import storage
from longtake.schemas.decision import Decision
from longtake.schemas.errors import CorpusError
from longtake.schemas.keys import sample_key
from longtake.schemas.layout import Layout
from longtake.schemas.records import LongClip, Sentence, SourceVideo


def clip(start: int, end: int, video_id: str = "v") -> LongClip:
    spoken = (Sentence("1", start, (start + end) // 2, "a"), Sentence("2", (start + end) // 2, end, "b"))
    return LongClip(sample_key(video_id, start, end), SourceVideo(video_id, "v.mp4"), spoken, ())


def met(clips: list[LongClip], *rejected: tuple[int, int]) -> tuple[list[tuple[int, int]], int]:
    """The spans of the long clips that are rejected, and how many rejects were found."""
    spans = spans_in({sample_key("v", *span): "reject by Ann" for span in rejected}).get("v", [])
    found = rejected_clips(clips, spans)
    return [(c.start_ms, c.end_ms) for c in clips if c.key in found.clips], len(found.spans)


def test_a_decision_as_the_ledger_tells_it() -> None:
    assert why(Decision("video", "v", "reject")) == "reject by somebody"
    full = Decision("video", "v", "reject", "privacy", "a: b", "Ann", "2026-11-25")
    assert why(full) == "reject by Ann at 2026-11-25T00:00:00Z: privacy: a: b"


def test_only_rejects_count_and_in_no_order() -> None:
    rows = [
        Decision("video", "v", "reject"),
        Decision("sample", clip(0, 9).key, "reject"),
        Decision("video", "w", "flag"),
    ]
    found = [Rejects.of(order) for order in itertools.permutations(rows)]
    assert len({one.digest for one in found}) == 1 and len(found[0]) == 2
    assert list(found[0].videos) == ["v"] and list(found[0].samples) == [clip(0, 9).key]
    assert Rejects.of([replace(rows[0], note="x")]).digest != Rejects.of([rows[0]]).digest, "the ledger tells the note"
    assert Rejects().digest is None and not len(Rejects.of(rows[2:]))


def test_the_long_clip_with_the_key_is_the_one() -> None:
    clips = [clip(0, 1000), clip(1000, 2000)]
    assert met(clips, (1000, 2000)) == ([(1000, 2000)], 1)
    assert met([*clips, clip(500, 2000)], (1000, 2000)) == ([(1000, 2000)], 1), "and no other, whatever it shares"


@pytest.mark.parametrize(
    ("rejected", "out"),
    [
        ((0, 900), [(0, 1000)]),
        ((0, 500), [(0, 1000)]),
        ((600, 1400), [(0, 1000), (1000, 2000)]),  # half of the rejected one in each
        ((600, 1401), [(1000, 2000)]),  # 400 of 801 is less than half
        ((0, 9000), [(0, 1000), (1000, 2000)]),
        ((2000, 9000), []),
        ((1900, 9000), []),
    ],
)
def test_by_another_cut_those_go_that_share_half_of_its_time(
    rejected: tuple[int, int], out: list[tuple[int, int]]
) -> None:
    assert met([clip(0, 1000), clip(1000, 2000)], rejected) == (out, int(bool(out)))


def test_every_reject_that_meets_something_is_found() -> None:
    clips = [clip(0, 1000)]
    assert met(clips, (0, 600), (10, 700), (5000, 6000)) == ([(0, 1000)], 2)
    spans = spans_in({clip(0, 1000).key: "the key", clip(0, 600).key: "the time"})["v"]
    assert rejected_clips(clips, spans).clips[clips[0].key][1] == "the key"


def test_keys_that_are_strange_hit_nothing() -> None:
    assert met([clip(0, 1000)], (900, 100), (500, 500)) == ([], 0)
    assert spans_in({"v": "", "../v-000000000-000000001": "", "": ""}) == {}
    huge = {f"v-{'9' * 30}-{'9' * 31}": ""}
    assert rejected_clips([clip(0, 1000)], spans_in(huge)["v"]).clips == {}


def test_an_index_knows_videos_by_id_and_samples_by_their_safe_name() -> None:
    key = sample_key("a/b", 0, 1000)
    index = RejectIndex(Rejects({key: "why"}, {"a/b c": "all"}))
    assert [span.key for span in index.samples("a/b")] == [key]
    assert index.samples("a_b") == [] and index.samples(key.rsplit("-", 2)[0]) == []
    assert index.video("a/b c") == "all" and index.video("a") is None


def test_workers_read_the_rejects_that_were_meant(tmp_path: Path) -> None:
    layout, rejects = Layout(str(tmp_path)), Rejects({clip(0, 9).key: "\u00e9"}, {"v\n": ""})
    file = keep_rejects(layout, rejects)
    assert file is not None and file.read() == rejects and file.number == 2
    for content in (b"", b"[]", b'{"samples": 3}', Rejects({}, {"w": ""}).to_bytes()):
        storage.write_bytes(file.path, content)
        with pytest.raises(CorpusError, match="not the decisions that the plan was made with"):
            file.read()
    assert keep_rejects(layout, Rejects()) is None and not storage.exists(file.path)
    with pytest.raises(CorpusError, match="missing, or not"):
        file.read()


def test_what_applied_is_counted_once() -> None:
    from collections import Counter

    assert applied(Counter({("applied", "clip", "k"): 3, ("applied", "video", "k"): 1, ("videos",): 2})) == 2
