from hypothesis import given, settings, strategies as st

from longtake.pipeline.merge.groups import GroupedSentence, group_video
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Sentence, SourceVideo

VIDEO = SourceVideo("v", "v.mp4")


def said(clip_id: str, start: int, end: int, *groups: tuple[str, int]) -> GroupedSentence:
    return Sentence(clip_id, start, end, f"text {clip_id}"), groups


def clips(sentences: list[GroupedSentence]) -> list[list[str]]:
    return [[s.clip_id for s in clip.sentences] for clip in group_video(VIDEO, sentences, 2).clips]


def dropped(sentences: list[GroupedSentence]) -> dict[str, Reason]:
    drops = [d for d in group_video(VIDEO, sentences, 2).drops if d.subject is not Subject.RECORD]
    assert {(d.video_id, d.subject, d.stage) for d in drops} <= {("v", Subject.SENTENCE, Stage.MERGE)}
    return {d.subject_id: d.reason for d in drops}


def test_a_complete_group_is_a_long_clip_whatever_its_gaps() -> None:
    sentences = [said("b", 900_000, 901_000, ("g", 2)), said("a", 0, 1000, ("g", 2)), said("c", 5000, 6000)]
    merged = group_video(VIDEO, sentences, 2)
    (clip,) = merged.clips
    assert clip.key == "v-000000000-000901000"
    assert [s.clip_id for s in clip.sentences] == ["a", "b"]
    assert clip.frame_times_ms == (0, 500, 900_000, 900_500)
    assert dropped(sentences) == {"c": Reason.NOT_IN_GROUP}


def test_an_incomplete_group_says_what_it_lacks() -> None:
    sentences = [said("a", 0, 1, ("g", 3)), said("b", 1, 2, ("g", 3))]
    assert dropped(sentences) == {"a": Reason.GROUP_INCOMPLETE, "b": Reason.GROUP_INCOMPLETE}
    assert group_video(VIDEO, sentences, 2).drops[0].detail == "group g: found 2 of 3 clips"


def test_overlap_is_resolved_inside_a_group_only() -> None:
    sentences = [said("a", 0, 150, ("g", 2)), said("b", 100, 200, ("g", 2)), said("x", 50, 60, ("h", 1))]
    merged = group_video(VIDEO, sentences, 1)
    assert [[(s.clip_id, s.end_ms) for s in clip.sentences] for clip in merged.clips] == [
        [("a", 100), ("b", 200)],
        [("x", 60)],
    ]
    assert merged.trimmed == 1


def test_a_group_that_loses_a_sentence_to_overlap_is_incomplete() -> None:
    sentences = [said("a", 0, 100, ("g", 2)), said("b", 0, 200, ("g", 2))]
    assert dropped(sentences) == {"a": Reason.GROUP_INCOMPLETE, "b": Reason.GROUP_INCOMPLETE}


def test_of_complete_groups_that_share_a_clip_the_earliest_wins() -> None:
    sentences = [
        said("a", 0, 100, ("z", 2)),
        said("b", 100, 200, ("z", 2), ("y", 2)),
        said("c", 200, 300, ("y", 2), ("x", 1)),
        said("d", 300, 400, ("w", 2)),
    ]
    assert clips(sentences) == [["a", "b"], ["c"]]
    assert dropped(sentences) == {"d": Reason.GROUP_INCOMPLETE}
    without_x = [said("c", 200, 300, ("y", 2)) if s.clip_id == "c" else (s, g) for s, g in sentences]
    assert dropped(without_x) == {"c": Reason.GROUP_CONFLICT, "d": Reason.GROUP_INCOMPLETE}
    same_start = [said("a", 0, 100, ("z", 1), ("y", 2)), said("b", 100, 200, ("y", 2))]
    assert clips(same_start) == [["a", "b"]]


def test_an_incomplete_group_does_not_stand_in_the_way() -> None:
    assert clips([said("a", 0, 100, ("a", 9), ("g", 1))]) == [["a"]]


def test_groups_over_the_same_span_cannot_share_a_key() -> None:
    sentences = [
        said("a", 0, 10, ("g", 2)),
        said("b", 20, 30, ("g", 2)),
        said("c", 0, 15, ("h", 2)),
        said("d", 25, 30, ("h", 2)),
    ]
    assert clips(sentences) == [["a", "b"]]
    assert dropped(sentences) == {"c": Reason.GROUP_CONFLICT, "d": Reason.GROUP_CONFLICT}


def test_a_group_listed_twice_is_one() -> None:
    assert clips([said("a", 0, 10, ("g", 2), ("g", 2)), said("b", 20, 30, ("g", 2))]) == [["a", "b"]]


group_of = st.tuples(st.sampled_from("pqrst"), st.integers(1, 3))
cases = st.lists(
    st.tuples(st.integers(0, 8), st.integers(1, 4), st.lists(group_of, max_size=3).map(tuple)), max_size=10
).map(lambda rows: [said(f"v.{n}", s * 100, (s + d) * 100, *g) for n, (s, d, g) in enumerate(rows)])


@settings(derandomize=True, deadline=None, max_examples=400)
@given(cases, st.randoms(use_true_random=False))
def test_every_sentence_ends_in_one_place(sentences: list[GroupedSentence], random: object) -> None:
    merged = group_video(VIDEO, sentences, 2)
    placed = [s.clip_id for clip in merged.clips for s in clip.sentences] + [
        d.subject_id for d in merged.drops if d.subject is Subject.SENTENCE
    ]
    assert sorted(placed) == sorted(s.clip_id for s, _ in sentences)
    assert len({clip.key for clip in merged.clips}) == len(merged.clips)
    for clip in merged.clips:
        assert list(clip.frame_times_ms) == sorted(clip.frame_times_ms)
    shuffled = list(sentences)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = group_video(VIDEO, shuffled, 2)
    assert again.clips == merged.clips
    assert sorted(again.drops) == sorted(merged.drops)
    assert again.trimmed == merged.trimmed


def test_a_group_that_is_not_honoured_is_reported_even_if_others_took_all_its_clips() -> None:
    clips = [Sentence(f"v.{n}", n * 1000, n * 1000 + 900, "text") for n in range(5)]
    first, beaten, last = ("first", 3), ("beaten", 2), ("last", 2)
    named = [(first,), (first, beaten), (first, beaten), (last,), (last,)]
    merged = group_video(VIDEO, list(zip(clips, named, strict=True)), 2)
    assert [len(clip.sentences) for clip in merged.clips] == [3, 2]
    assert [(d.subject, d.subject_id, d.reason) for d in merged.drops] == [
        (Subject.RECORD, "beaten", Reason.GROUP_CONFLICT)
    ]
