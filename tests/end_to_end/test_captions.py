"""Captions from plan to corpus: on a real video, with real models, and with all that reads a corpus afterwards."""

import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import torch
from sources import (
    MAMMALS,
    SourceSet,
    Video,
    build,
    ledger,
    longtake_here,
    manifest,
    published,
    rows_of,
    source_set,
)
from tiny_language_models import tiny_model

from longtake.jobs.build.plan import current_plan
from longtake.library.shards import ShardReader, WantedFrames, read_texts
from longtake.pipeline.plan.captions.prompt import render
from longtake.pipeline.plan.diff import diff_plans
from longtake.pipeline.run.model_files import model_digest
from longtake.schemas import tables
from longtake.schemas.config import load_config
from longtake.schemas.layout import Layout
from longtake.schemas.records import LongClip

torch.set_num_threads(1)
pytestmark = pytest.mark.slow
TEMPLATE = "Write {count} captions.\n{sentences}"
SUBTITLES = Path(__file__).parents[2] / "examples" / "demo" / "subs" / "mammals.en.vtt"


def captions_for(clip: LongClip) -> str:
    return " ".join(f"[{n}] Mammals are seen in picture {n}." for n in range(1, len(clip.sentences) + 1))


def sources_in(folder: Path, **settings: Any) -> SourceSet:
    """One real film with its subtitles."""
    found = source_set(folder, [Video("mammals", (), MAMMALS)], "vtt", merge={"min_sentences": 2}, **settings)
    (folder / "subs" / "mammals.vtt").write_bytes(SUBTITLES.read_bytes())
    return found


def plan(sources: SourceSet, *options: str) -> str:
    done = longtake_here("plan", str(sources.config), "--probe=none", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    """A corpus of which every second long clip has captions: the model was taught these, and of the others it knows nothing."""
    folder = tmp_path_factory.mktemp("captions")
    short = {"min_sentences": 2, "max_sentences": 3}
    sources = sources_in(folder)
    sources.change(merge=short)
    plan(sources)
    clips = sorted(map(tables.clip_from_row, rows_of(sources.output, "plan")), key=lambda clip: clip.key)
    assert len(clips) >= 4
    answers = {render(TEMPLATE, c): captions_for(c) if n % 2 else "Nothing." for n, c in enumerate(clips)}
    tiny_model(folder / "model", "bart", answers, steps=400)
    asked = {"model": "model", "prompt": TEMPLATE, "max_new_tokens": 64, "device": "cpu"}
    sources.change(captions=asked, output="captioned")
    build(sources)
    return sources


def samples(corpus: Path) -> list[tuple[dict[str, Any], str]]:
    found = []
    for path in sorted((corpus / "shards").glob("*.tar")):
        with tarfile.open(path) as tar:
            read = {m.name: tar.extractfile(m).read() for m in tar if not m.name.endswith(".jpg")}  # type: ignore[union-attr]
        found += [(json.loads(read[n]), read[f"{n[:-5]}.txt"].decode()) for n in read if n.endswith(".json")]
    return sorted(found, key=lambda pair: pair[0]["key"])


@pytest.fixture(autouse=True)
def _as_it_was(made: SourceSet) -> Iterator[None]:
    before = dict(made.settings)
    yield
    made.change(**before)


def test_both_texts_are_in_the_sample(made: SourceSet) -> None:
    before = sorted(rows_of(made.folder / "out", "plan"), key=lambda row: row["key"])
    found = samples(made.output)
    assert [sample["key"] for sample, _ in found] == [row["key"] for row in before]
    for number, ((sample, text), row) in enumerate(zip(found, before, strict=True)):
        said = [s["text"] for s in row["sentences"]]
        for name in ("clip_id", "start_ms", "end_ms", "timing"):
            assert [s[name] for s in sample["sentences"]] == [s[name] for s in row["sentences"]]
        if number % 2:
            assert [s["asr"] for s in sample["sentences"]] == said
            assert text == " ".join(f"Mammals are seen in picture {n}." for n in range(1, len(said) + 1))
        else:
            assert all("asr" not in s for s in sample["sentences"])
            assert text == " ".join(said)
        assert text == " ".join(s["text"] for s in sample["sentences"])
        assert sample["frame_times_ms"] == row["frame_times_ms"]


def test_every_clip_has_captions_or_a_note(made: SourceSet) -> None:
    keys = [sample["key"] for sample, _ in samples(made.output)]
    notes = [row for row in ledger(made.output) if row["subject"] == "note"]
    assert [row["subject_id"] for row in notes] == keys[::2]
    assert {(row["stage"], row["reason"]) for row in notes} == {("caption", "not_rewritten")}
    assert {row["detail"] for row in notes} == {
        "keeps what was said: no caption has a number in brackets; the model wrote 'Nothing.'"
    }
    counts = manifest(made.output)["counts"]
    assert counts["clips"] == {"in": len(keys), "kept": len(keys), "dropped": 0}
    assert counts["sentences"]["in"] == counts["sentences"]["kept"] + counts["sentences"]["dropped"]
    summary = json.loads((made.output / "plan" / "_plan.json").read_text())
    assert summary["rewritten"] == len(keys) // 2
    verified = longtake_here("verify", str(made.output))
    assert verified.returncode == 0, verified.stdout


@pytest.mark.exhaustive
def test_plans_are_the_same_and_say_what_was_done(made: SourceSet, tmp_path: Path) -> None:
    before = published(made.output)
    total = len(samples(made.output))
    made.change(output="again")
    printed = plan(made)
    build(made, workers=1)
    assert published(made.output) == before
    assert f"{total // 2} of {total} long clips with captions by model." in printed
    assert f"{total - total // 2} notes in the ledger: not_rewritten." in printed
    card = (made.output / "README.md").read_text()
    assert "captions that the model model wrote" in card
    assert str(made.folder) not in card + json.dumps(manifest(made.output))


def test_both_texts_are_shown(made: SourceSet, tmp_path: Path) -> None:
    first, second = samples(made.output)[:2]
    shown = longtake_here("show", str(made.output), second[0]["key"], "--output", str(tmp_path / "sheet.png"))
    assert shown.returncode == 0, shown.stderr
    for sentence in second[0]["sentences"]:
        assert re.search(re.escape(f"{sentence['text']}\n     said    {sentence['asr']}\n"), shown.stdout)
    assert "said " not in longtake_here("show", str(made.output), first[0]["key"], cwd=tmp_path).stdout


@pytest.mark.exhaustive
def test_another_model_or_prompt_makes_another_plan(made: SourceSet, tmp_path: Path) -> None:
    assert current_plan(load_config(str(made.config))) is not None
    asked = made.settings["captions"]
    for changed in ({"prompt": f"Please. {TEMPLATE}"}, {"max_new_tokens": 65}, {"model": None}):
        made.change(captions=asked | changed)
        assert current_plan(load_config(str(made.config))) is None
    made.change(captions=asked | {"device": None})
    assert current_plan(load_config(str(made.config))) is not None
    made.change(captions=asked)
    weights = made.folder / "model" / "generation_config.json"
    kept = weights.read_bytes()
    try:
        weights.write_bytes(kept + b"\n")
        model_digest.cache_clear()
        assert current_plan(load_config(str(made.config))) is None
    finally:
        weights.write_bytes(kept)
        model_digest.cache_clear()


def test_plans_with_and_without_captions_are_compared(made: SourceSet) -> None:
    found = diff_plans(str(made.folder / "out"), str(made.output))
    total = len(samples(made.output))
    assert found.clips["other text"] == total // 2
    assert found.clips["same"] == total - total // 2
    assert found.settings is not None
    assert found.settings["captions.model"] == (None, "model")
    assert "-> 'Mammals are seen in picture 1.'" in found.examples["other text"][0]


@pytest.mark.exhaustive
def test_an_edited_plan_keeps_what_was_said(made: SourceSet, tmp_path: Path) -> None:
    total = len(samples(made.output))
    made.change(output="edited")
    build(made)
    edited = tmp_path / "edited"
    edited.mkdir()
    duckdb.execute(f"""COPY (SELECT * REPLACE (list_transform(sentences, lambda s:
        CASE WHEN s.asr IS NULL THEN s ELSE struct_pack(clip_id := s.clip_id, start_ms := s.start_ms, end_ms := s.end_ms,
            text := 'Edited. ' || s.text, timing := s.timing, asr := s.asr) END) AS sentences)
        FROM '{made.output}/plan/*.parquet') TO '{edited}/plan.parquet'""")  # noqa: S608
    printed = build(made, plan=str(edited), overwrite=True)
    assert "recomputed" not in printed or "paragraph" in printed
    found = samples(made.output)
    assert sum(text.startswith("Edited. Mammals") for _, text in found) == total // 2
    assert [[s.get("asr") for s in sample["sentences"]] for sample, _ in found] == [
        [s.get("asr") for s in sample["sentences"]] for sample, _ in samples(made.folder / "captioned")
    ]
    assert json.loads((made.output / "plan" / "_plan.json").read_text())["rewritten"] == total // 2
    verified = longtake_here("verify", str(made.output))
    assert verified.returncode == 0, verified.stdout
    captioned = f"SELECT count(*) FROM '{made.output}/index/*.parquet' WHERE sentences[1].asr IS NOT NULL"  # noqa: S608
    assert duckdb.execute(captioned).fetchall() == [(total // 2,)]


def test_trainers_read_the_captions(made: SourceSet) -> None:
    reader = ShardReader(Layout(str(made.output)))
    rows = rows_of(made.output, "index")
    for row in rows:
        (raw,) = reader.read([WantedFrames(row["shard"], row["position"], 0, 1)])
        texts = read_texts(raw.json, row["key"], row["n_sentences"], 8)  # type: ignore[union-attr]
        assert texts == [s["text"] for s in row["sentences"]]
    assert any(row["sentences"][0]["asr"] for row in rows)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["t5", "llama"])
def test_a_random_model_changes_nothing_but_the_notes(tmp_path: Path, kind: str) -> None:
    sources = sources_in(tmp_path)
    plan(sources)
    before = rows_of(sources.output, "plan")
    tiny_model(tmp_path / "model", kind, {"Write": "words"})
    sources.change(captions={"model": "model", "max_new_tokens": 8, "device": "cpu"}, output="captioned")
    printed = plan(sources)
    assert f"0 of {len(before)} long clip" in printed
    assert rows_of(sources.output, "plan") == before
    notes = [row for row in ledger(sources.output) if row["reason"] == "not_rewritten"]
    assert [row["subject_id"] for row in notes] == sorted(row["key"] for row in before)
    assert all(row["detail"].startswith("keeps what was said: ") for row in notes)


def test_a_model_that_cannot_be_loaded_ends_the_command_before_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = sources_in(tmp_path, captions={"model": "models/none"})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    done = longtake_here("plan", str(sources.config), "--probe=none")
    assert done.returncode == 2, done.stderr
    assert "captions.model models/none" in done.stderr
    assert not (sources.output / "plan").exists()
