"""The same input and settings give the same bytes, however the build is run."""

import random
from pathlib import Path

import pytest
from sources import LAST_MAN, SourceSet, Video, build, manifest, published, source_set, spoken

from longtake.schemas.errors import CorpusError

VIDEOS = [Video(f"v{i}", spoken(3 + i, 1000 * i), LAST_MAN if i % 3 == 0 else Video("", ()).file) for i in range(6)]
SETTINGS = {"split": {"train": 0.7, "val": 0.3}, "frames": {"short_side": 32, "per_sentence": 2}}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    sources = source_set(tmp_path_factory.mktemp("reference"), VIDEOS, "hdvila", **SETTINGS)
    build(sources, workers=1)
    assert len(manifest(sources.output)["shards"]) >= 3
    return sources


@pytest.mark.parametrize(
    ("workers", "beam"),
    [
        (2, []),
        pytest.param(2, ["--direct_runner_bundle_repeat=1"], marks=pytest.mark.exhaustive),
        (2, ["--direct_num_workers=3"]),
        (1, ["--runner=longtake.pipeline.run.runner.LocalRunner", "--direct_running_mode=in_memory"]),
    ],
)
def test_whatever_the_runner_workers_and_order(
    reference: SourceSet, tmp_path: Path, workers: int, beam: list[str]
) -> None:
    sources = source_set(tmp_path, VIDEOS, "hdvila", **SETTINGS)
    for name in ("videos.jsonl", "text.jsonl"):
        lines = (tmp_path / name).read_text(encoding="utf-8").splitlines(keepends=True)
        random.Random(len(beam)).shuffle(lines)
        (tmp_path / name).write_text("".join(lines), encoding="utf-8")
    build(sources, workers, beam=beam)
    assert published(sources.output) == published(reference.output)


def test_a_second_run_does_nothing_and_says_so(reference: SourceSet) -> None:
    before = {p: p.stat().st_mtime_ns for p in reference.output.rglob("*") if p.is_file() and p.name != "lock"}
    assert "is already complete: nothing to do" in build(reference)
    assert {p: p.stat().st_mtime_ns for p in reference.output.rglob("*") if p.is_file() and p.name != "lock"} == before


def test_other_settings_are_refused_until_overwrite_is_said(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS[:2], **SETTINGS)
    build(sources)
    before = published(sources.output)
    sources.change(merge={"min_sentences": 2, "max_sentences": 3})
    with pytest.raises(CorpusError, match=r"made with other settings or versions.*--overwrite"):
        build(sources)
    assert published(sources.output) == before
    printed = build(sources, overwrite=True)
    assert published(sources.output)["corpus.json"] != before["corpus.json"]
    assert manifest(sources.output)["config"]["merge"]["max_sentences"] == 3
    assert "Input and plan" in printed
    assert "nothing to do" in build(sources)


@pytest.mark.parametrize(
    "change",
    [
        "manifest",
        pytest.param("another transcript", marks=pytest.mark.exhaustive),
        pytest.param("uri", marks=pytest.mark.exhaustive),
    ],
)
def test_other_inputs_are_refused_until_overwrite_is_said(tmp_path: Path, change: str) -> None:
    sources = source_set(tmp_path, VIDEOS[:2], "vtt", **SETTINGS)
    build(sources)
    if change == "manifest":
        path = tmp_path / "videos.jsonl"
        path.write_text(path.read_text().replace("CC BY-SA 3.0", "CC0"))
    elif change == "another transcript":
        text = {"format": "vtt", "path": "subs/{video_id}.en.vtt"}
        sources.change(source=sources.settings["source"] | {"text": text})
    else:
        sources.change(source=sources.settings["source"] | {"uri": "videos/other/{video_id}.mp4"})
    with pytest.raises(CorpusError, match="--overwrite"):
        build(sources)


def test_an_overwrite_that_cannot_start_leaves_the_corpus_alone(tmp_path: Path) -> None:
    from longtake.schemas.errors import ConfigError

    sources = source_set(tmp_path, VIDEOS[:1], **SETTINGS)
    build(sources)
    before = published(sources.output)
    sources.change(source=sources.settings["source"] | {"videos": "nothing.jsonl"})
    with pytest.raises(ConfigError, match=r"nothing\.jsonl: no such file"):
        build(sources, overwrite=True)
    assert published(sources.output) == before


def test_two_builds_do_not_meet(tmp_path: Path) -> None:
    from longtake.jobs.lock import locked

    sources = source_set(tmp_path, VIDEOS[:1], **SETTINGS)
    with (
        locked(str(sources.output)),
        pytest.raises(CorpusError, match="another longtake command is working on this corpus"),
    ):
        build(sources)
    assert not (sources.output / "corpus.json").exists()
    build(sources)
    assert (sources.output / "corpus.json").exists()
