"""With `frames.uniform`, each video is one long clip: its text is one sentence from the first frame to the last.

Data sets for retrieval, questions and labels are used so, whatever the times in their annotations. What is asked is `task`
in the video's meta (schemas/task.py). A video without it, from any source of text, is for retrieval: its sentences are its
paragraph.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from longtake.pipeline.merge.frame_times import clip_frame_times_ms
from longtake.pipeline.parse.lines import canonical_json
from longtake.schemas.config import Frames
from longtake.schemas.keys import sample_key
from longtake.schemas.records import LongClip, Sentence, SourceVideo
from longtake.schemas.task import FIELD, task_json


def as_one_sentence(video: SourceVideo, sentences: Sequence[Sentence]) -> tuple[SourceVideo, Sentence]:
    """Return the video with its task, and its sentences as one, in the order given. Its end is not known yet."""
    meta = json.loads(video.meta)
    if FIELD not in meta:
        meta[FIELD] = task_json("retrieval", [{"sentences": [s.text for s in sentences]}])
        video = replace(video, meta=canonical_json(meta))
    return video, Sentence(
        f"{video.video_id}.all", 0, max(s.end_ms for s in sentences), " ".join(s.text for s in sentences)
    )


def whole_clip(video: SourceVideo, sentence: Sentence, end_ms: int, frames: Frames) -> LongClip:
    """The long clip of a video whose pictures end at `end_ms`, not yet assigned to a shard."""
    whole = (replace(sentence, start_ms=0, end_ms=end_ms),)
    return LongClip(sample_key(video.video_id, 0, end_ms), video, whole, clip_frame_times_ms(whole, frames))
