"""How a corpus is made, checked and looked at. `stages` shows the whole way on one page."""

from typing import TYPE_CHECKING

from longtake.schemas.exports import lazily

if TYPE_CHECKING:
    from longtake.pipeline.merge.merge import MergedVideo as MergedVideo, merge_video as merge_video
    from longtake.pipeline.parse.transcripts.cue import Cue as Cue, Transcript as Transcript
    from longtake.pipeline.parse.transcripts.parse import parse_transcript as parse_transcript
    from longtake.pipeline.stages import STAGES as STAGES, PipelineStage as PipelineStage
    from longtake.pipeline.text.clean.clean import CleanCues as CleanCues, clean as clean
    from longtake.pipeline.text.sentences.split import split_sentences as split_sentences

EXPORTS = {
    "merge.merge": (
        "MergedVideo",
        "merge_video",
    ),
    "parse.transcripts.cue": (
        "Cue",
        "Transcript",
    ),
    "parse.transcripts.parse": ("parse_transcript",),
    "stages": (
        "PipelineStage",
        "STAGES",
    ),
    "text.clean.clean": (
        "CleanCues",
        "clean",
    ),
    "text.sentences.split": ("split_sentences",),
}
__getattr__, __dir__ = lazily(__name__, EXPORTS)
