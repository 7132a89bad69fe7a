"""`longtake plan` with coherence and with chapters, with the real model."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from sources import ONE_THREAD, SourceSet, Video, longtake_here, rows_of, source_set

from longtake.jobs.build.plan import current_plan
from longtake.pipeline.embeddings.sentence_model import EmbeddingModel
from longtake.schemas.config import load_config
from longtake.schemas.errors import ConfigError

torch.set_num_threads(1)
COOKING = (
    "Chop two onions and a clove of garlic.", "Fry them in olive oil until they are soft.",
    "Add the tomatoes and a pinch of salt.", "Let the sauce simmer for twenty minutes.", "Boil the pasta in salted water.",
)  # fmt: skip
SPACE = (
    "The rocket lifts off from the launch pad.", "Its first stage separates after two minutes.",
    "The spacecraft reaches orbit around the Earth.", "Astronauts dock with the space station.",
    "They float through the hatch in weightlessness.", "Months later the capsule lands in the desert.",
)  # fmt: skip
MERGE = {"min_sentences": 2, "max_sentences": 16}


def spans(texts: tuple[str, ...]) -> tuple[tuple[int, int, str], ...]:
    return tuple((1000 * i, 1000 * i + 900, text) for i, text in enumerate(texts))


VIDEOS = [Video("a", spans(COOKING + SPACE)), Video("b", spans(SPACE)), Video("c", spans(SPACE[:5] + COOKING))]


def planned(sources: SourceSet, **options: Any) -> list[dict[str, Any]]:
    import io

    from rich.console import Console

    from longtake.jobs.build.plan import make_plan
    from longtake.jobs.build.report import print_plan
    from longtake.jobs.build.request import BuildRequest, ProbeMode
    from longtake.schemas.layout import Layout

    config, printed = load_config(str(sources.config)), io.StringIO()
    summary = make_plan(BuildRequest(config, ProbeMode.NONE, 2, ONE_THREAD, **options), Console(file=printed))
    print_plan(summary, Layout(config.root), Console(file=printed))
    planned.printed = printed.getvalue()  # type: ignore[attr-defined]
    return sorted(rows_of(sources.output, "plan"), key=lambda row: row["key"])


def cuts(rows: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(row["video_id"], row["n_sentences"]) for row in rows]


def test_clips_are_cut_at_topics_and_embeddings_are_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = source_set(tmp_path, VIDEOS, merge=MERGE, coherence={"enabled": True, "device": "cpu"})
    first = planned(sources, save_embeddings=True)
    assert cuts(first) == [("a", 5), ("a", 6), ("b", 6), ("c", 5), ("c", 5)]
    assert all(0 < row["coherence"] < 1 for row in first)
    plan = {p.name: p.read_bytes() for p in sources.output.glob("plan/*")}
    embedded = {p.name: p.read_bytes() for p in sources.output.glob("embeddings/*")}
    assert embedded
    assert current_plan(load_config(str(sources.config))) is not None

    def refuse(*_: object) -> None:
        raise AssertionError("everything is saved")

    with monkeypatch.context() as patched:
        patched.setattr(EmbeddingModel, "encode", refuse)
        assert planned(sources) == first
    assert "note" not in planned.printed  # type: ignore[attr-defined]
    assert {p.name: p.read_bytes() for p in sources.output.glob("plan/*")} == plan
    assert {p.name: p.read_bytes() for p in sources.output.glob("embeddings/*")} == embedded


@pytest.mark.exhaustive
def test_the_order_of_the_input_does_not_matter(tmp_path: Path) -> None:
    found = []
    for name, videos in (("a", VIDEOS), ("b", VIDEOS[::-1]), ("c", [VIDEOS[1], VIDEOS[2], VIDEOS[0]])):
        sources = source_set(tmp_path / name, videos, merge=MERGE, coherence={"enabled": True, "device": "cpu"})
        planned(sources)
        found.append({p.name: p.read_bytes() for p in sources.output.glob("plan/*")})
    assert found[0] == found[1] == found[2]


def test_a_text_that_the_model_fails_on_costs_its_video_its_coherence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = source_set(tmp_path, VIDEOS, merge=MERGE, coherence={"enabled": True, "device": "cpu"})
    encode = EmbeddingModel.encode

    def failing(self: EmbeddingModel, texts: Any, batch_size: int) -> Any:
        if COOKING[3] in texts and SPACE[5] in texts:  # both are only in video a, and in batches with it
            raise RuntimeError("out of memory")
        return encode(self, texts, batch_size)

    monkeypatch.setattr(EmbeddingModel, "encode", failing)
    rows = planned(sources)
    assert cuts(rows) == [("a", 11), ("b", 6), ("c", 5), ("c", 5)]
    assert [row["coherence"] is None for row in rows] == [True, False, False, False]
    (note,) = rows_of(sources.output, "ledger")
    assert (note["subject"], note["subject_id"], note["stage"], note["reason"], note["detail"]) == (
        "note", "a", "merge", "not_embedded", "merged without coherence: RuntimeError: out of memory",
    )  # fmt: skip
    assert "1 note in the ledger: not_embedded." in planned.printed  # type: ignore[attr-defined]


def test_without_coherence_nothing_is_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddingModel, "__init__", lambda *_: pytest.fail("a model is loaded"))
    sources = source_set(tmp_path, VIDEOS, merge=MERGE)
    rows = planned(sources)
    assert cuts(rows) == [("a", 11), ("b", 6), ("c", 10)]
    assert all(row["coherence"] is None for row in rows)
    with pytest.raises(ConfigError, match="--save-embeddings"):
        planned(sources, save_embeddings=True)


def test_a_model_that_cannot_be_loaded_ends_the_command_before_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = source_set(tmp_path, VIDEOS, coherence={"enabled": True, "model": "models/none"})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    done = longtake_here("plan", str(sources.config), "--probe=none")
    assert done.returncode == 2, done.stderr
    assert "coherence.model models/none" in done.stderr
    assert not (sources.output / "plan").exists()


@pytest.mark.parametrize("form", ["meta", "json", "jsonl"])
def test_no_clip_spans_two_chapters(tmp_path: Path, form: str) -> None:
    sources = source_set(tmp_path, VIDEOS, merge=MERGE)
    chapters: dict[str, Any] = {"a": [{"start_time": 0}, {"start_time": 5}], "b": ["soon"], "unknown": [{"time": 1}]}
    if form == "meta":
        lines = [json.loads(line) for line in (tmp_path / "videos.jsonl").read_text().splitlines()]
        for line in lines:
            line["meta"] = {"chapters": chapters[line["video_id"]]} if line["video_id"] in chapters else {}
        (tmp_path / "videos.jsonl").write_text("\n".join(map(json.dumps, lines)))
        named = "meta"
    elif form == "json":
        (tmp_path / "chapters.json").write_text(json.dumps(chapters))
        named = "chapters.json"
    else:
        rows = [{"video_id": name, "chapters": value} for name, value in chapters.items()]
        (tmp_path / "chapters.jsonl").write_text("\n".join(map(json.dumps, rows)))
        named = "chapters.jsonl"
    before = current_plan(load_config(str(sources.config)))
    sources.change(source=sources.settings["source"] | {"chapters": named})
    assert cuts(planned(sources)) == [("a", 5), ("a", 6), ("b", 6), ("c", 10)]
    (row,) = rows_of(sources.output, "ledger")
    assert (row["video_id"], row["reason"]) == ("b", "chapters_unreadable")
    assert row["subject"] == ("note" if form == "meta" else "record")
    assert before is None
