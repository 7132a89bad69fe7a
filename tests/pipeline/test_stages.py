"""The page that names the stages, against a build that goes through all of them: each is called, and in the order of the page."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from sources import DEMO, MAMMALS, SourceSet, Video, build, source_set
from tiny_language_models import tiny_model

from longtake.pipeline.run.slots import Slots
from longtake.pipeline.stages import STAGES, table
from longtake.schemas.layout import Layout

ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"
FUNCTIONS = [function for stage in STAGES for function in stage.functions]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    """One real film with its subtitles, and everything asked for that a configuration can ask for."""
    folder = tmp_path_factory.mktemp("stages")
    found = source_set(folder, [Video("mammals", (), MAMMALS)], "vtt")
    (folder / "subs" / "mammals.vtt").write_bytes((DEMO / "subs" / "mammals.en.vtt").read_bytes())
    tiny_model(folder / "model", "bart", {"Mammals": "[1] Mammals."})
    found.change(
        merge={"min_sentences": 2, "max_sentences": 3},
        coherence={"enabled": True, "device": "cpu"},
        duplicates={"paragraphs": "drop"},
        captions={"model": "model", "max_new_tokens": 8, "device": "cpu"},
    )
    return found


class Watch:
    """The functions of the stages in the order of their first calls, and the labels of all steps of the graphs."""

    def __init__(self) -> None:
        self.called: list[Any] = []
        self.steps: set[str] = set()
        self._codes = {function.__code__: function for function in FUNCTIONS}

    def call(self, function: Any) -> None:
        if function in FUNCTIONS and function not in self.called:
            self.called.append(function)

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in self._codes:
            self.call(self._codes[frame.f_code])

    def graph(self, pipeline: beam.Pipeline) -> None:
        class Labels(PipelineVisitor):
            def visit_transform(_, node: AppliedPTransform) -> None:
                self.steps.update(node.full_label.split("/"))

        pipeline.visit(Labels())


@pytest.fixture(scope="module")
def watch(sources: SourceSet) -> Iterator[Watch]:
    """A build, watched: Beam's threads by their profile, the work of other processes where it is handed to them."""
    watch = Watch()
    with pytest.MonkeyPatch.context() as patch:
        run_slot, run_graph = Slots.run, beam.Pipeline.run

        def slot(self: Slots, seconds: float, work: Any, *args: Any, **kwargs: Any) -> Any:
            watch.call(work)
            return run_slot(self, seconds, work, *args, **kwargs)

        def graph(self: beam.Pipeline, *args: Any, **kwargs: Any) -> Any:
            watch.graph(self)
            return run_graph(self, *args, **kwargs)

        patch.setattr(Slots, "run", slot)
        patch.setattr(beam.Pipeline, "run", graph)
        threading.setprofile(watch.profile)
        sys.setprofile(watch.profile)
        try:
            build(sources, workers=1, probe="header")
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    yield watch


@pytest.mark.slow
def test_a_build_goes_through_all_stages_in_their_order(watch: Watch, sources: SourceSet) -> None:
    assert Path(Layout(str(sources.output)).manifest).exists()
    assert [f.__qualname__ for f in watch.called] == [f.__qualname__ for f in FUNCTIONS]


@pytest.mark.slow
def test_each_stage_runs_in_the_step_that_the_page_names(watch: Watch) -> None:
    assert not {stage.step for stage in STAGES} - watch.steps


def test_the_documentation_shows_the_page() -> None:
    assert "\n".join(table()) in ARCHITECTURE.read_text(encoding="utf-8")
