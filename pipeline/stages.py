"""The pipeline on one page: every stage in the order of the data, with the function that does its work.

`python -m longtake.pipeline.stages` prints the table of docs/architecture.md. The Beam graphs (read/graph.py, plan/graph.py,
build/graph.py) call these functions; tests/pipeline/test_stages.py watches a build and finds each called, in this order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from longtake.pipeline.build.pack import pack
from longtake.pipeline.build.seal import seal
from longtake.pipeline.embeddings.embed import embed
from longtake.pipeline.filters.clip_filter import ClipFilter
from longtake.pipeline.fragments.work import decode_source, look_at
from longtake.pipeline.merge.merge import merge_video
from longtake.pipeline.parse.manifest import parse_video
from longtake.pipeline.parse.transcripts.parse import parse_transcript
from longtake.pipeline.plan.assign import assign
from longtake.pipeline.plan.captions.graph import write_captions
from longtake.pipeline.plan.duplicates.graph import without_repeats
from longtake.pipeline.text.clean.clean import clean
from longtake.pipeline.text.sentences.split import split_sentences


@dataclass(frozen=True, slots=True)
class PipelineStage:
    """One stage.

    `step` is the label of the Beam step it runs in, `functions` do its work in this order, and `setting` is the part of
    corpus.yaml that asks for it, empty for a stage that every corpus goes through.
    """

    name: str
    does: str
    step: str
    functions: tuple[Callable[..., Any], ...]
    setting: str = ""


PLAN = (
    PipelineStage("read", "Records of videos, and the cues of their transcripts.", "Read text", (parse_video, parse_transcript)),
    PipelineStage("clean", "What is said, each word once; no loops, credits, sound tags.", "Read text", (clean,), "clean"),
    PipelineStage("sentences", "Cues become sentences with times.", "Read text", (split_sentences,), "sentences"),
    PipelineStage("embed", "A vector for each sentence.", "Embed", (embed,), "coherence"),
    PipelineStage("probe", "Duration and size; sentences past the end are dropped.", "Plan video", (look_at,)),
    PipelineStage("merge", "Sentences become long clips with frame times.", "Plan video", (merge_video,), "merge"),
    PipelineStage(
        "filter",
        "Scores; long clips are dropped, flagged or masked.",
        "Plan video",
        (ClipFilter.apply, without_repeats),
        "filters, duplicates",
    ),
    PipelineStage("rewrite", "Captions by a language model.", "Captions", (write_captions,), "captions"),
    PipelineStage("assign", "Each long clip gets its split, shard and position.", "Assign", (assign,), "shards"),
)  # fmt: skip
BUILD = (
    PipelineStage("decode", "Frames, one fragment for each video, in staging/.", "Decode", (decode_source,), "frames"),
    PipelineStage("pack", "Fragments and plan rows become shards and their index.", "Pack", (pack,), "shards"),
    PipelineStage(
        "seal", "Counts are checked; the card, Croissant metadata and corpus.json are written.", "Seal", (seal,)
    ),
)
STAGES = (*PLAN, *BUILD)


def table() -> Iterator[str]:
    """The lines of the table in docs/architecture.md."""
    yield "| | stage | what it does | Beam step | function | asked for by |"
    yield "|---|---|---|---|---|---|"
    for command, stages in (("plan", PLAN), ("build", BUILD)):
        for number, stage in enumerate(stages):
            functions = ", ".join(f"`{_where(function)}`" for function in stage.functions)
            first = f"`longtake {command}`" if number == 0 else ""
            yield f"| {first} | {stage.name} | {stage.does} | {stage.step} | {functions} | {stage.setting} |"


def _where(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}".removeprefix("longtake.pipeline.")


if __name__ == "__main__":
    print("\n".join(table()))
