"""Overlap with evaluation sets: ids in the forms that benchmarks write them, and texts."""

from pathlib import Path

import pytest
from paragraphs import clip_of

from longtake.pipeline.filters.clip_filter import ClipFilter
from longtake.pipeline.filters.evaluation_sets import EvaluationSets, grams_of, ids_of
from longtake.schemas.config import parse_config
from longtake.schemas.reasons import Reason

TEXT = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"


def sets(folder: Path, entries: str, holds: str = "ids", **more: object) -> EvaluationSets:
    return EvaluationSets(config(folder, entries, holds, **more))


def config(folder: Path, entries: str, holds: str = "ids", **more: object):  # type: ignore[no-untyped-def]
    (folder / "list.txt").write_text(entries)
    listed = [{"name": "bench", "path": "list.txt", "holds": holds}]
    source = {"name": "x", "output": "out", "source": {"videos": "v.jsonl"}, "base": str(folder)}
    return parse_config(source | {"duplicates": {"evaluation": listed, **more}})


@pytest.mark.parametrize(
    "entry",
    [
        "xHr8X2Wpmno",
        "v_xHr8X2Wpmno",  # ActivityNet
        "video-xHr8X2Wpmno",  # QuerYD
        "xHr8X2Wpmno_60_90",  # How2QA
        "xHr8X2Wpmno_12.5_30.0",
        "features/xHr8X2Wpmno.mp4",
        "https://www.youtube.com/watch?t=3&v=xHr8X2Wpmno&list=1",
        "https://youtu.be/xHr8X2Wpmno?t=3",
    ],
)
def test_one_video_under_many_names(tmp_path: Path, entry: str) -> None:
    found = sets(tmp_path, entry)
    assert found.overlap(clip_of("a", video_id="xHr8X2Wpmno")) == "bench (video)"
    assert found.overlap(clip_of("a", video_id="other", url="https://www.youtube.com/watch?v=xHr8X2Wpmno"))
    assert found.overlap(clip_of("a", video_id="yHr8X2Wpmno")) is None
    assert found.overlap(clip_of("a", video_id="Hr8X2Wpmno")) is None


def test_ids_that_are_not_youtubes(tmp_path: Path) -> None:
    entry = "12345678@N00_5432_ab12.avi"  # DiDeMo
    assert sets(tmp_path, entry).overlap(clip_of("a", video_id="12345678@N00_5432_ab12")) == "bench (video)"
    assert sets(tmp_path, "short_1_2").overlap(clip_of("a", video_id="short")) is None
    assert "v_short" in ids_of("v_short")
    assert "short" not in ids_of("v_short")


def test_texts(tmp_path: Path) -> None:
    found = sets(tmp_path, TEXT, "texts")
    words = TEXT.split()
    assert found.overlap(clip_of("So: " + " ".join(words[:13]).upper() + "!")) == "bench (text)"
    assert found.overlap(clip_of(" ".join(words[2:9]), " ".join(words[9:15]))) == "bench (text)", "over two sentences"
    assert found.overlap(clip_of(" ".join(words[:12]))) is None
    assert sets(tmp_path, "We cut the onions very thin.", "texts").overlap(clip_of("we cut the onions very thin, and"))
    assert sets(tmp_path, "cut the onions very thin", "texts").overlap(clip_of("we cut the onions very thin")) is None
    assert len(grams_of(TEXT)) == 3


def test_it_is_dropped_or_flagged(tmp_path: Path) -> None:
    clip = clip_of("a", video_id="xHr8X2Wpmno")
    dropped = ClipFilter(config(tmp_path, "v_xHr8X2Wpmno")).apply([clip], None)
    assert not dropped.clips
    assert (dropped.drops[0].reason, dropped.drops[0].detail) == (Reason.EVALUATION_OVERLAP, "in bench (video)")
    (kept,) = ClipFilter(config(tmp_path, "v_xHr8X2Wpmno", evaluation_overlap="flag")).apply([clip], None).clips
    assert kept.evaluation_overlap == "bench (video)"
