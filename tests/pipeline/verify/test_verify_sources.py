"""`verify --sources` names each fault of a corpus as what it is, finds none in a sound one, and says what it cannot judge."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import edit_shard, edit_table
from PIL import Image, ImageOps
from sources import SourceSet, Video, build, source_set, spoken

from longtake.pipeline.decode.ffmpeg_command import ffmpeg_command
from longtake.pipeline.verify.ffmpeg_pass import FfmpegPass
from longtake.pipeline.verify.source_frames import FrameComparison, Want, compare
from longtake.pipeline.verify.sources import SourceReport, verify_sources
from longtake.schemas.config import Limits, load_config
from longtake.schemas.errors import ConfigError, CorpusError
from tests.media import SHARED, needs_shared, shared
from tests.mutations.gallery import CASES
from tests.numbered_video import numbered

SHARD = "train-000000"
FIRST, SECOND = "plain-000000000-000003200", "late-000000000-000003200"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    """A corpus of two videos of 4 s, with two sentences of two frames each."""
    videos = [
        Video(name, spoken(3, says=name), numbered("verify.mp4", first=n)) for n, name in ((0, "plain"), (100, "late"))
    ]
    found = source_set(tmp_path_factory.mktemp("sound"), videos, frames={"per_sentence": 2, "short_side": 120})
    build(found, probe="header")
    return found


@pytest.fixture
def corpus(made: SourceSet, tmp_path: Path) -> SourceSet:
    """A copy of it, beside copies of the sources."""
    folder = tmp_path / "made"
    shutil.copytree(made.folder, folder, symlinks=True)
    return SourceSet(folder, dict(made.settings))


def check(found: SourceSet, **options: Any) -> SourceReport:
    return verify_sources(str(found.output), load_config(str(found.config)), workers=1, **options)


def told(report: SourceReport) -> list[str]:
    return [str(fault).removeprefix(f"shards/{SHARD}.tar ") for fault in report.faults]


def test_a_sound_corpus_has_no_fault(corpus: SourceSet) -> None:
    report = check(corpus)
    assert (report.samples, report.videos, report.frames) == (2, 2, 12)
    assert (report.faults, report.unjudged) == ((), ())


def redraw(change: Callable[[Image.Image], Image.Image]) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        out = io.BytesIO()
        change(Image.open(io.BytesIO(data)).convert("RGB")).save(out, "JPEG", quality=90)
        return out.getvalue()

    return edit


def swap_red_and_blue(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(np.asarray(image)[..., ::-1]))


def edit_frame(found: SourceSet, number: int, change: Callable[[bytes], bytes]) -> None:
    """Change a frame of the first video's sample."""

    def edit(members: list[tuple[str, bytes]]) -> None:
        jpegs = [n for n, (name, _) in enumerate(members) if name.startswith(FIRST) and name.endswith("jpg")]
        name, data = members[jpegs[number]]
        members[jpegs[number]] = (name, change(data))

    edit_shard(found.output, SHARD, edit)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (redraw(ImageOps.mirror), "frame 3: it is not what ffmpeg shows"),
        (redraw(ImageOps.mirror), "it is mirrored"),
        (redraw(ImageOps.flip), "it is upside down and mirrored"),
        (redraw(lambda image: image.rotate(180)), "it is turned by 180 degrees"),
        (redraw(swap_red_and_blue), "frame 3: its colours are off by"),
        (redraw(lambda image: image.resize((160, 90)).resize((160, 120))), None),
        (redraw(lambda image: image.resize((160, 90))), "frame 3: its JPEG is 160x90, frame_size says 160x120"),
        (redraw(lambda image: Image.new("RGB", image.size, "grey")), "frame 3: it is not what ffmpeg shows (PSNR"),
        (lambda data: data[:100], "frame 3: its JPEG does not decode"),
    ],
)  # fmt: skip
def test_a_changed_picture(corpus: SourceSet, change: Callable[[bytes], bytes], what: str | None) -> None:
    edit_frame(corpus, 3, change)
    found = told(check(corpus))
    assert len(found) == (what is not None)
    assert what is None or (found[0].startswith(f"{FIRST}: frame 3: ") and what in found[0])


def test_two_swapped_pictures(corpus: SourceSet) -> None:
    def swap(members: list[tuple[str, bytes]]) -> None:
        jpegs = [n for n, (name, _) in enumerate(members) if name.startswith(FIRST) and name.endswith("jpg")]
        (one, a), (two, b) = members[jpegs[0]], members[jpegs[5]]
        members[jpegs[0]], members[jpegs[5]] = (one, b), (two, a)

    edit_shard(corpus.output, SHARD, swap)
    found = told(check(corpus))
    assert [line.partition(" (PSNR")[0] for line in found] == [
        f"{FIRST}: frame 0: it is not what ffmpeg shows",
        f"{FIRST}: frame 5: it is not what ffmpeg shows",
    ]


def test_the_picture_of_a_neighbour(corpus: SourceSet) -> None:
    """The picture 80 ms later, as a build would have it that believes wrong times."""
    shown = FfmpegPass(str(ffmpeg_command(packaged_first=True)), str(numbered("verify.mp4")), (160, 120), Limits(), 60)
    pictures = [Image.fromarray(frame.picture) for frame in shown]
    edit_frame(corpus, 3, redraw(lambda _: pictures[1600 // 40 + 2]))
    (line,) = told(check(corpus))
    assert line.startswith(f"{FIRST}: frame 3: another frame fits better: the one 2 frames after it (PSNR")


def edit_rows(found: SourceSet, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the index row of the first video's sample."""
    edit_table(found.output / "index" / f"{SHARD}.parquet", lambda rows: [change(r) for r in rows if r["key"] == FIRST])


def test_a_shifted_time(corpus: SourceSet) -> None:
    def shift(row: dict[str, Any]) -> None:
        row["frame_pts_ms"] = [row["frame_pts_ms"][0], row["frame_pts_ms"][1] + 40, *row["frame_pts_ms"][2:]]

    edit_rows(corpus, shift)
    assert told(check(corpus)) == [f"{FIRST}: frame 1: frame_pts_ms is 520; ffmpeg shows it at 480.0"]


def test_a_text_that_was_not_said(corpus: SourceSet) -> None:
    def say(row: dict[str, Any]) -> None:
        row["sentences"][1]["text"] = "something else."

    edit_rows(corpus, say)
    assert told(check(corpus)) == [
        f"{FIRST}: sentence 'plain.2': its text is 'something else.'; the transcript has 'plain number 2.'"
    ]


def test_a_transcript_that_was_corrected_since(corpus: SourceSet) -> None:
    path = corpus.folder / "videos.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    del records[0]["sentences"][0]
    records[1]["sentences"][2]["start_ms"] += 50
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert told(check(corpus)) == [
        f"{SECOND}: sentence 'late.3': it is from 2200 to 3200 ms; the transcript has 2250 to 3200 ms",
        f"{FIRST}: sentence 'plain.1': the transcript has no such sentence",
    ]


def test_what_cannot_be_judged(corpus: SourceSet) -> None:
    for name, other in (("plain", None), ("late", numbered("verify.mp4", frames=60))):
        path = corpus.folder / "videos" / f"{name}.mp4"
        path.unlink()
        if other is not None:
            path.write_bytes(other.read_bytes())
    report = check(corpus)
    assert report.faults == ()
    changed, gone = report.unjudged
    assert changed.startswith("late: the source has changed since the plan: the plan looked at ")
    assert gone == "plain: its source cannot be read: missing: no such file"


def test_without_what_the_plan_saw_a_changed_source_is_a_fault(corpus: SourceSet) -> None:
    shutil.rmtree(corpus.output / "staging", ignore_errors=True)
    path = corpus.folder / "videos" / "late.mp4"
    path.unlink()
    path.write_bytes(numbered("verify.mp4", first=300).read_bytes())
    assert len([line for line in told(check(corpus)) if line.startswith(f"{SECOND}: frame ")]) == 6


def test_no_picture_at_all(corpus: SourceSet) -> None:
    shutil.rmtree(corpus.output / "staging", ignore_errors=True)
    path = corpus.folder / "videos" / "late.mp4"
    path.unlink()
    path.write_text("#EXTM3U\n#EXTINF:4,\nplain.mp4\n#EXT-X-ENDLIST\n")  # names the other, which is never opened
    (line,) = check(corpus).unjudged
    assert line.startswith("late: ffmpeg shows no frame: ")


def test_a_sample_chooses(corpus: SourceSet) -> None:
    reports = [check(corpus, sample=1, seed=seed) for seed in range(6)]
    assert {report.samples for report in reports} == {1}
    edit_frame(corpus, 3, redraw(ImageOps.mirror))
    assert {len(check(corpus, sample=1, seed=seed).faults) for seed in range(6)} == {0, 1}
    assert check(corpus, sample=0) == SourceReport(0, 0, 0, (), ())


def test_relative_paths_need_the_configuration(corpus: SourceSet) -> None:
    with pytest.raises(ConfigError, match=r"its path 'videos/late.mp4' is relative to the folder .* in --config"):
        verify_sources(str(corpus.output), None)


def test_absolute_paths_need_none(corpus: SourceSet) -> None:
    def move(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["uri"] = str(corpus.folder / row["uri"])

    edit_table(corpus.output / "index" / f"{SHARD}.parquet", move)
    report = verify_sources(str(corpus.output), None, workers=1)
    assert (report.frames, report.faults) == (12, ())
    assert report.unjudged == (
        "texts were not compared with transcripts: give --config, the configuration of the corpus",
    )


def test_an_unfinished_corpus(corpus: SourceSet) -> None:
    (corpus.output / "corpus.json").unlink()
    with pytest.raises(CorpusError, match="Finish it with: longtake build"):
        check(corpus)


@pytest.mark.parametrize(
    "name", ["mp4_mirrored_90", "avi_xvid", "ts_parts_restart", "mkv_start_25h", "mp4_pixels_wide"]
)
def test_a_pass_compares_with_itself(name: str) -> None:
    """The clock of the pass is that of the container's start, whatever the container: each frame is found at its own time."""
    binary, path = str(ffmpeg_command(packaged_first=True)), str(CASES[name].make())
    shown = list(FfmpegPass(binary, path, (160, 120), Limits(), 60))
    assert [frame.number for frame in shown] == list(range(len(shown)))

    def jpeg(frame: Any) -> bytes:
        out = io.BytesIO()
        Image.fromarray(frame.picture).save(out, "JPEG", quality=95)
        return out.getvalue()

    wants = [Want(round(f.ms), round(f.ms), "key", f.number, lambda f=f: jpeg(f)) for f in shown[::7]]  # type: ignore[misc]
    found = compare(FfmpegPass(binary, path, (160, 120), Limits(), 60), wants)
    assert found.differences == []
    later = [replace(want, time_ms=want.time_ms + 400) for want in wants[:-3]]
    wrong = compare(FfmpegPass(binary, path, (160, 120), Limits(), 60), later)
    assert len(wrong.differences) == len(later)


def test_a_pass_that_hangs_is_ended() -> None:
    shown = FfmpegPass(str(ffmpeg_command(packaged_first=True)), str(numbered("verify.mp4")), (160, 120), Limits(), 0)
    assert compare(shown, [Want(10**9, 0, "key", 0, lambda: b"")]).frames < 100
    assert shown.timed_out


def test_giant_pictures_are_refused() -> None:
    shown = FfmpegPass(
        str(ffmpeg_command(packaged_first=True)), str(numbered("verify.mp4")), (160, 120), Limits(pixels=1000), 60
    )
    assert compare(shown, []) == FrameComparison()
    assert shown.complaints


@pytest.mark.exhaustive
@needs_shared
@pytest.mark.shared_data
def test_files_that_went_wrong_once(tmp_path: Path) -> None:
    """A corpus of all of cases/media is what ffmpeg shows. What is kept of each is for the tests of the decoder to say."""
    files = [*shared("cases/media"), SHARED / "cases/media/raw.h264"]
    videos = [Video(path.name.replace(".", "_"), spoken(4, length=700, gap=20), path) for path in files]
    found = source_set(tmp_path, videos, frames={"per_sentence": 4, "short_side": 120, "hdr": "keep"})
    build(found)
    report = check(found)
    assert report.faults == ()
    assert report.videos >= len(files) - 2
