"""Relevance from plan to corpus: real frames, a tiny CLIP model, and every input accounted for."""

import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sources import (
    LAST_MAN,
    POLAR_MAMMALS,
    SourceSet,
    Video,
    build,
    ledger,
    longtake_here,
    manifest,
    published,
    rows_of,
    source_set,
    spoken,
)
from tiny_clip import tiny_clip

from longtake.jobs.versions.retry import check_settings
from longtake.pipeline.embeddings.clip_model import ClipModel
from longtake.pipeline.run import optional_models
from longtake.pipeline.verify.corpus import verify
from longtake.schemas.config import load_config
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import read_manifest

VIDEOS = [
    Video("mammals", spoken(8)),
    Video("polar", spoken(4, says="ice"), POLAR_MAMMALS),
    Video("man", spoken(4, says="three"), LAST_MAN),
    Video("short", spoken(1)),
]


def laid_out(folder: Path, **filters: Any) -> SourceSet:
    folder.mkdir(exist_ok=True, parents=True)
    if not (folder / "clip").exists():
        tiny_clip(folder / "clip")
    settings = {"clip_model": "clip"} | filters
    return source_set(folder, VIDEOS, filters=settings, frames={"short_side": 64, "per_sentence": 2})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    sources = laid_out(tmp_path_factory.mktemp("relevance"))
    build(sources)
    return sources


def scores(sources: SourceSet) -> dict[str, float | None]:
    return {row["key"]: row["score_relevance"] for row in rows_of(sources.output, "index")}


def test_the_score_is_a_column_and_that_of_the_frames_in_the_shard(corpus: SourceSet) -> None:
    rows = rows_of(corpus.output, "index")
    assert len(rows) == 4
    model = ClipModel(str(corpus.folder / "clip"))
    for row in rows:
        shard = (corpus.output / "shards" / f"{row['shard']}.tar").read_bytes()
        jpegs = [shard[m["offset"] : m["offset"] + m["size"]] for m in row["members"] if m["name"].endswith(".jpg")]
        assert row["score_relevance"] == model.relevance([s["text"] for s in row["sentences"]], jpegs)
    assert verify(str(corpus.output)).faults == ()


@pytest.mark.exhaustive
def test_the_same_bytes_whatever_the_order_and_the_workers(corpus: SourceSet, tmp_path: Path) -> None:
    sources = laid_out(tmp_path)
    lines = (tmp_path / "videos.jsonl").read_text().splitlines(keepends=True)
    random.Random(3).shuffle(lines)
    (tmp_path / "videos.jsonl").write_text("".join(lines))
    build(sources, workers=1, beam=["--direct_runner_bundle_repeat=1"])
    assert published(sources.output) == published(corpus.output)


def test_a_threshold_neither_decodes_nor_scores_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = laid_out(tmp_path)
    build(sources)
    found = scores(sources)
    limit = sorted(filter(None, found.values()))[1]
    sources.change(filters={"clip_model": "clip", "min_relevance": limit})

    def again(*_: object) -> float:
        raise AssertionError("scored again")

    monkeypatch.setattr(ClipModel, "relevance", again)
    monkeypatch.setattr(ClipModel, "__init__", lambda *_: None)
    assert "fragments of an earlier run reused" in build(sources, overwrite=True)
    low = {key for key, value in found.items() if value is not None and value < limit}
    rows = {r["subject_id"]: (r["stage"], r["reason"]) for r in ledger(sources.output) if r["subject"] == "clip"}
    assert rows == dict.fromkeys(low, ("decode", "irrelevant"))
    assert scores(sources) == {key: value for key, value in found.items() if key not in low}
    assert verify(str(sources.output)).faults == ()


@pytest.mark.exhaustive
def test_another_text_is_scored_and_nothing_decoded(tmp_path: Path) -> None:
    sources = laid_out(tmp_path)
    build(sources)
    before = scores(sources)
    (tmp_path / "edited").mkdir()
    (part,) = (sources.output / "plan").glob("*.parquet")
    table = pq.read_table(part)
    rows = table.to_pylist()
    for row in rows:
        if row["video_id"] == "man":
            for sentence in row["sentences"]:
                sentence["text"] = "Something else was said."
    pq.write_table(table.from_pylist(rows, schema=table.schema), tmp_path / "edited" / "plan.parquet")
    assert "fragments of an earlier run reused" in build(sources, plan=str(tmp_path / "edited"), overwrite=True)
    after = scores(sources)
    assert {key for key in before if before[key] != after[key]} == {key for key in before if key.startswith("man")}
    assert verify(str(sources.output)).faults == ()


@pytest.mark.exhaustive
def test_what_the_model_fails_on_stays_without_a_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ClipModel.relevance

    def failing(self: ClipModel, texts: Any, jpegs: Any) -> float:
        if "ice number 1." in texts:
            raise RuntimeError("out of memory\nmore")
        return whole(self, texts, jpegs)

    sources = laid_out(tmp_path, min_relevance=-1)
    monkeypatch.setattr(ClipModel, "relevance", failing)
    build(sources)
    found = scores(sources)
    (key,) = [key for key, value in found.items() if value is None]
    (note,) = [row for row in ledger(sources.output) if row["subject"] == "note"]
    assert (note["subject_id"], note["video_id"], note["reason"]) == (key, "polar", "not_scored")
    assert note["detail"] == "without score_relevance: RuntimeError: out of memory"
    assert verify(str(sources.output)).faults == ()
    monkeypatch.setattr(ClipModel, "relevance", whole)
    build(sources, overwrite=True)
    assert None not in scores(sources).values(), "it is tried again"


def test_a_model_that_does_not_load_is_told_before_any_work(tmp_path: Path) -> None:
    sources = laid_out(tmp_path)
    (tmp_path / "clip" / "model.safetensors").write_bytes(b"nothing")
    done = longtake_here("build", str(sources.config))
    assert done.returncode == 2
    assert "filters.clip_model" in done.stderr
    assert "cannot be loaded" in done.stderr
    assert not (sources.output / "plan").exists()
    sources.change(filters={"min_relevance": 0.2})
    done = longtake_here("plan", str(sources.config))
    assert done.returncode == 2
    assert "min_relevance needs clip_model" in done.stderr


def test_the_folder_of_the_model_is_not_published(corpus: SourceSet) -> None:
    assert manifest(corpus.output)["config"]["filters"]["clip_model"] == "clip"
    elsewhere = load_config(str(corpus.config))
    absolute = elsewhere.model_copy(
        update={"filters": elsewhere.filters.model_copy(update={"clip_model": str(corpus.folder / "clip")})}
    )
    assert absolute.published() == elsewhere.published()


def test_a_retry_by_another_model_or_library_is_refused(corpus: SourceSet, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(str(corpus.config))
    found = read_manifest(Layout(str(corpus.output)))
    assert found is not None
    check_settings(found, config, "corpus.yaml", str(corpus.output))
    tiny_clip(corpus.folder / "other" / "clip", seed=1)
    other = config.model_copy(update={"filters": config.filters.model_copy(update={"clip_model": "other/clip"})})
    with pytest.raises(CorpusError, match=r"made with other files of these models: clip_model"):
        check_settings(found, other, "corpus.yaml", str(corpus.output))
    monkeypatch.setattr(optional_models, "versions_of", lambda libraries: {"transformers": "0.1"})
    with pytest.raises(CorpusError, match=r"other versions of the libraries"):
        check_settings(found, config, "corpus.yaml", str(corpus.output))
