"""What a command run again notices: mended sources, edited transcripts, raised limits, a plan adopted already."""

import shutil
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sources import LAST_MAN, Video, build, longtake_here, manifest, published, source_set, spoken

from longtake.pipeline.verify import verify
from longtake.schemas.errors import CorpusError

SETTINGS = {"max_failed": 0.6, "frames": {"per_sentence": 1, "short_side": 32}}
VIDEOS = [Video("first", spoken(4), LAST_MAN), Video("second", spoken(5), LAST_MAN)]


def without_the_second(tmp_path: Path) -> tuple[Path, Path]:
    file = tmp_path / VIDEOS[1].uri
    aside = tmp_path / "aside.mp4"
    shutil.move(file, aside)
    return file, aside


def kept(output: Path) -> int:
    return int(manifest(output)["counts"]["videos"]["kept"])


@pytest.mark.exhaustive
def test_a_mended_source_is_taken_up_by_a_plan_not_yet_built(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    file, aside = without_the_second(tmp_path)
    assert longtake_here("plan", str(sources.config)).returncode == 0
    shutil.move(aside, file)
    build(sources, probe="header")
    assert kept(sources.output) == 2


def test_a_mended_source_is_taken_up_by_overwrite(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    file, aside = without_the_second(tmp_path)
    build(sources, probe="header")
    assert kept(sources.output) == 1
    assert "1 video failed; try again with: longtake retry" in build(sources, probe="header")
    shutil.move(aside, file)
    build(sources, probe="header", overwrite=True)
    assert kept(sources.output) == 2


@pytest.mark.exhaustive
def test_overwrite_reads_edited_transcripts(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS, "vtt", **SETTINGS)
    build(sources)
    path = next((tmp_path / "subs").iterdir())
    path.write_text(path.read_text().replace("sentence", "SENTENCE"))
    build(sources, overwrite=True)
    assert any("SENTENCE" in text for text in pq.read_table(sources.output / "plan")["paragraph"].to_pylist())


@pytest.mark.parametrize("change", ["manifest", pytest.param("limits", marks=pytest.mark.exhaustive)])
def test_changes_are_noticed_also_after_clean(tmp_path: Path, change: str) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    build(sources)
    assert longtake_here("clean", str(sources.output)).returncode == 0
    assert "nothing to do" in build(sources)
    if change == "manifest":
        path = tmp_path / "videos.jsonl"
        path.write_text(path.read_text().splitlines(keepends=True)[0])
    else:
        sources.change(limits={"pixels": 400_000})
    with pytest.raises(CorpusError, match="whose inputs have changed since"):
        build(sources)


@pytest.mark.exhaustive
def test_an_edited_plan_twice_and_back(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    build(sources)
    whole = published(sources.output)
    rows = pq.read_table(next((sources.output / "plan").glob("*.parquet")))
    (tmp_path / "edited").mkdir()
    pq.write_table(rows.slice(0, 1), tmp_path / "edited" / "plan.parquet")
    build(sources, plan=str(tmp_path / "edited"), overwrite=True)
    assert kept(sources.output) == 1
    assert "nothing to do" in build(sources, plan=str(tmp_path / "edited"))
    build(sources, overwrite=True)
    assert published(sources.output) == whole


def test_frames_sort_by_name_however_many_they_are(tmp_path: Path) -> None:
    frames = {"per_sentence": 256, "short_side": 16}
    sources = source_set(tmp_path, VIDEOS[:1], frames=frames)
    build(sources)
    with tarfile.open(next((sources.output / "shards").iterdir())) as tar:
        names = [name for name in tar.getnames() if name.endswith(".jpg")]
    assert len(names) == 4 * 256
    assert names == sorted(names)
    assert not verify(str(sources.output), workers=1).faults


def test_a_whole_plan_folder_reads_as_one_table(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    build(sources)
    assert pq.read_table(sources.output / "plan").num_rows == manifest(sources.output)["counts"]["clips"]["in"]
