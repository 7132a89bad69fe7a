"""Files that went wrong once (../shared/data/cases/media): each gives the pictures its README wants, or a row that says why not.

Every frame carries its number as a bar code, 25 a second, so the wanted picture follows from its time alone.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from sources import Video, build, ledger, rows_of, source_set, spoken

from longtake.schemas.errors import CorpusError
from tests.media import SHARED, needs_shared
from tests.numbered_video import number_of

Picture = npt.NDArray[np.uint8]
MEDIA = SHARED / "cases" / "media"
#: How long ffmpeg shows pictures, in whole seconds; of static_tail.mkv how long the sound goes on.
SECONDS = {
    "clap.mp4": 6, "divx_packed2.avi": 3, "hflip.mp4": 6, "hls_concat_inorder.ts": 10, "hls_segment_twice.ts": 10,
    "mdhd_short.mp4": 6, "mkv_inband_once_chroma.mkv": 8, "no_stss_mpeg4.mp4": 4, "raw.h264": 6, "rot90_hflip.mp4": 6,
    "start_25h.mkv": 12, "static_tail.mkv": 12, "thumb_first.mov": 6, "ts_cat_jump_forward.ts": 8, "res_change.ts": 6,
}  # fmt: skip
NOTES = {
    "divx_packed2_avi": "times_repaired",
    "raw_h264": "times_repaired",
    "res_change_ts": "times_repaired",
    "hls_segment_twice_ts": "clock_restarted",
    "ts_cat_jump_forward_ts": "clock_restarted",
    "thumb_first_mov": "stream_chosen",
}

pytestmark = [needs_shared, pytest.mark.shared_data]


def upright(name: str, shown: Picture) -> Picture:
    """What was coded, from what is shown: the bar code reads in that only."""
    if name == "hflip_mp4":
        return shown[:, ::-1]
    if name == "rot90_hflip_mp4":
        return np.rot90(shown)[:, ::-1]
    if name == "clap_mp4":  # 40 of 320 columns and 20 of 240 rows are cut off on each side
        height, width = shown.shape[:2]
        return np.pad(shown, ((height // 10, height // 10), (width // 6, width // 6), (0, 0)))
    return shown


def wanted(name: str, time_ms: int) -> int:
    """The number of the frame at a time."""
    number = time_ms * 25 // 1000
    if name == "static_tail_mkv":
        return min(number, 74)
    return number - 50 if name == "hls_segment_twice_ts" and number >= 100 else number  # its second segment comes again


@pytest.fixture(scope="module", params=[1, 8])
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = {"per_sentence": request.param, "short_side": 120}
    videos = [
        Video(name.replace(".", "_"), spoken(seconds, 0, 1000, 0), MEDIA / name) for name, seconds in SECONDS.items()
    ]
    videos.append(Video("hdr", spoken(2, 0, 50, 0), MEDIA / "hdr_smpte2084.mp4"))
    merge = {"min_sentences": 1, "max_sentences": 1}
    sources = source_set(tmp_path_factory.mktemp("cases"), videos, frames=frames, merge=merge, max_failed=0)
    build(sources, probe="header")
    return sources.output


def samples(corpus: Path) -> Iterator[tuple[dict[str, Any], list[Picture]]]:
    for path in sorted((corpus / "shards").glob("*.tar")):
        members: dict[str, dict[str, bytes]] = {}
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, kind = member.name.partition(".")
                stream = tar.extractfile(member)
                assert stream is not None
                members.setdefault(key, {})[kind] = stream.read()
        for sample in members.values():
            jpegs = [sample[kind] for kind in sorted(sample) if kind.endswith("jpg")]
            yield (
                json.loads(sample["json"]),
                [np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in jpegs],
            )


def test_every_picture_is_the_one_at_its_time(corpus: Path) -> None:
    seen = set()
    for sample, pictures in samples(corpus):
        name = sample["video_id"]
        seen.add(name)
        for time, picture in zip(sample["frame_times_ms"], pictures, strict=True):
            assert number_of(upright(name, picture)) == wanted(name, time), f"{name} at {time}"
    assert seen == {name.replace(".", "_") for name in SECONDS}


def test_nothing_is_dropped_without_cause(corpus: Path) -> None:
    dropped = {(row["video_id"], row["reason"]) for row in ledger(corpus) if row["subject"] in ("video", "clip")}
    assert dropped == {("hdr", "hdr"), ("res_change_ts", "shape_changed")}
    # Two of its three seconds of 16:9 pictures lie wholly in the second part; the clip at the joint goes with them.
    kept = [row["start_ms"] for row in rows_of(corpus, "index") if row["video_id"] == "res_change_ts"]
    assert kept == [0, 1000, 2000]


def test_notes_say_what_was_done(corpus: Path) -> None:
    notes = {row["video_id"]: row["reason"] for row in ledger(corpus) if row["subject"] == "note"}
    assert notes == NOTES


def test_hdr_can_be_mapped_and_asked_for(tmp_path: Path) -> None:
    videos = [Video("hdr", spoken(2, 0, 50, 0), MEDIA / "hdr_smpte2084.mp4")]
    merge, filters = {"min_sentences": 1}, {"color": {"transfer": ["smpte2084"]}}
    looks = {}
    for hdr in ("tonemap", "keep"):
        frames = {"per_sentence": 1, "short_side": 120, "hdr": hdr}
        sources = source_set(tmp_path / hdr, videos, frames=frames, merge=merge, filters=filters)
        build(sources, workers=1, probe="header")
        ((sample, pictures),) = samples(sources.output)
        assert (sample["source"]["transfer"], sample["source"]["primaries"]) == ("smpte2084", "bt2020")
        looks[hdr] = pictures[0]
    # Its yellow bar: on a standard display strong, in raw PQ numbers pale.
    yellow = {hdr: picture[20, 30].astype(int) for hdr, picture in looks.items()}
    assert min(yellow["tonemap"][:2]) - yellow["tonemap"][2] > 120
    assert min(yellow["keep"][:2]) - yellow["keep"][2] < 80
    sources.change(filters={"color": {"transfer": ["bt709"]}}, output="out/asked")
    with pytest.raises(CorpusError, match="No sample is left"):
        build(sources, workers=1, probe="header")
    assert {row["reason"] for row in ledger(sources.output) if row["subject"] == "clip"} == {"other_color"}


def test_the_last_picture_goes_with_its_end_where_it_is_not_to_be_held(tmp_path: Path) -> None:
    videos = [Video("tail", spoken(12, 0, 1000, 0), MEDIA / "static_tail.mkv")]
    frames = {"per_sentence": 1, "short_side": 60, "hold_last": False}
    sources = source_set(tmp_path, videos, frames=frames, merge={"min_sentences": 1, "max_sentences": 1})
    build(sources, workers=1, probe="packets")
    kept = [row["start_ms"] for row in rows_of(sources.output, "index")]
    assert kept == [0, 1000, 2000]
    assert {row["reason"] for row in ledger(sources.output) if row["subject"] == "sentence"} == {"span_past_end"}
