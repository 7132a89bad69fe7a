"""InternVid: clips of YouTube videos with captions that models wrote, a row for each clip. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes.recipe import YOUTUBE, Recipe, Record, field


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield the record of one clip: YoutubeID, Start_timestamp, End_timestamp, Caption and scores."""
    video_id = field(row, "YoutubeID")
    clip = {"start": field(row, "Start_timestamp"), "end": field(row, "End_timestamp"), "text": field(row, "Caption")}
    yield {"video_id": video_id, "url": f"{YOUTUBE}{video_id}", "sentences": [clip]}


def joined(parts: list[Record]) -> Record:
    """Make one record of the clips of a video, in the order of their times."""
    clips = sorted(
        (clip for part in parts for clip in part["sentences"]), key=lambda one: (str(one["start"]), str(one["end"]))
    )
    return parts[0] | {"sentences": clips}


RECIPE = Recipe(
    name="internvid",
    title="InternVid",
    files="InternVid-10M-flt.jsonl (and -div, -aes) or InternVid-full.jsonl, from OpenGVLab on the Hugging Face hub",
    licence="CC BY-NC-SA 4.0",
    missing="the videos; the text is captions, not speech",
    paper="7.1 M videos of 351.9 s, 234 M clips, 11.7 s and 17.6 words a clip, 760.3 K hours",
    configuration="""\
source:
  recipe: internvid
  videos: InternVid-10M-flt.jsonl   # a row for each clip; rows of one video are joined
  uri: "videos/{video_id}.{ext}"
merge:
  min_sentences: 2                  # InternVid-10M-flt keeps few clips of most videos
  max_gap_ms: 60000                 # between two captioned clips
""",
    records=records,
    joined=joined,
)
