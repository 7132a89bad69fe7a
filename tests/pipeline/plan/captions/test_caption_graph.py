"""Captions in the plan graph: through Beam's RunInference with real models."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that
from test_caption_answers import GOOD, SAID, clip
from tiny_language_models import tiny_model

from longtake.pipeline.plan.captions.graph import Captioner, WriteCaptions, prepare_captions, write_captions
from longtake.pipeline.plan.captions.model import CAPTION_MODEL, CaptionModel
from longtake.pipeline.plan.captions.prompt import render
from longtake.pipeline.plan.video import PlannedVideo
from longtake.pipeline.read.rows import DROPS
from longtake.pipeline.run import optional_models as models
from longtake.pipeline.run.runner import pipeline_options
from longtake.schemas.config import CorpusConfig, parse_config
from longtake.schemas.records import Drop
from longtake.schemas.text_config import PROMPT

TEMPLATE = "Write {count} captions.\n{sentences}"
KNOWN, OTHER = clip(), clip(("a bear swims", "it eats a seal", "and sleeps"))


def config(folder: str, **captions: Any) -> CorpusConfig:
    raw = {"model": folder, "prompt": TEMPLATE, "device": "cpu", "max_new_tokens": 48} | captions
    return parse_config({"name": "t", "output": "out", "source": {"videos": "v.jsonl"}, "captions": raw})


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> str:
    """It knows the captions of one clip, and for another, answers that are not usable."""
    answers = {render(TEMPLATE, KNOWN): GOOD, render(TEMPLATE, OTHER): "[1] A bear swims. [2] It eats."}
    return tiny_model(tmp_path_factory.mktemp("llama"), "llama", answers, steps=300)


def video(name: str, *clips: Any) -> PlannedVideo:
    from dataclasses import replace

    from longtake.schemas.records import SourceVideo

    source = SourceVideo(name, f"{name}.mp4")
    return PlannedVideo(tuple(replace(c, key=f"{name}-{n}", video=source) for n, c in enumerate(clips)))


def test_a_clip_has_captions_or_keeps_what_was_said(taught: str) -> None:
    settings = config(taught)
    (found,) = write_captions([video("a", KNOWN, OTHER)], CAPTION_MODEL.get(settings), TEMPLATE)
    first, second = found.video.clips
    assert [s.text for s in first.sentences] == ["A man chops two onions.", "He fries them."]
    assert tuple(s.asr for s in first.sentences) == SAID
    assert [(s.clip_id, s.start_ms, s.end_ms) for s in first.sentences] == [
        (s.clip_id, s.start_ms, s.end_ms) for s in KNOWN.sentences
    ]
    assert first.is_rewritten
    assert not second.is_rewritten
    assert second.sentences == OTHER.sentences
    assert found.notes == (
        Drop(
            "a", "note", "a-1", "caption", "not_rewritten",  # type: ignore[arg-type]
            "keeps what was said: the captions have the numbers 1, 2, not 1 to 3; "
            "the model wrote '[1] A bear swims. [2] It eats.'",
        ),
    )  # fmt: skip


def test_a_random_model_costs_every_clip_its_captions_and_nothing_else(tmp_path: Path) -> None:
    settings = config(tiny_model(tmp_path, "t5", {render(PROMPT, KNOWN): GOOD}), max_new_tokens=8)
    videos = [video("a", KNOWN, OTHER), video("b", KNOWN)]
    found = write_captions(videos, CAPTION_MODEL.get(settings), TEMPLATE)
    assert [one.video for one in found] == videos
    assert [note.subject_id for one in found for note in one.notes] == ["a-0", "a-1", "b-0"]


def test_the_model_is_loaded_once_and_every_video_comes_out(taught: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    start = CaptionModel.__init__
    monkeypatch.setattr(models, "_LOADED", {})
    monkeypatch.setattr(
        CaptionModel, "__init__", lambda self, folder, given: (loaded.append(folder), start(self, folder, given))[1]
    )
    many = [KNOWN] * 300  # more than a batch holds
    videos = [video(f"v{n}", KNOWN, OTHER) for n in range(20)] + [video("long", *many), video("one", OTHER)]
    expected = sorted(v.video.clips[0].video.video_id for v in write_captions(videos, _load(taught), TEMPLATE))

    def check_videos(found: list[PlannedVideo]) -> None:
        assert sorted(v.clips[0].video.video_id for v in found) == expected
        assert sum(c.is_rewritten for v in found for c in v.clips) == 320

    def check_notes(found: list[Drop]) -> None:
        assert len(found) == len({note.subject_id for note in found}) == 21

    with beam.Pipeline(options=pipeline_options([], 2)) as root:
        step: WriteCaptions = prepare_captions(config(taught))
        captioned = root | beam.Create(videos) | step
        assert_that(captioned["videos"], check_videos, "videos")
        assert_that(captioned[DROPS], check_notes, "notes")
    assert len(loaded) == 1


def _load(folder: str) -> CaptionModel:
    return CAPTION_MODEL.get(config(folder))


def test_nothing_to_caption(taught: str) -> None:
    assert Captioner(config(taught)).run_inference([], None) == []  # type: ignore[arg-type]
