"""VidChapters-7M: chapters of YouTube videos by their authors, and WhisperX's transcripts. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes.recipe import YOUTUBE, Recipe, Record, field, meta_of


def records(key: str, entry: Any) -> Iterator[Record]:
    """Yield the record of {"duration", "chapters": [{"time", "label"}]}, or {"duration", "timestamps", "sentences"}."""
    if "chapters" in (entry if isinstance(entry, dict) else ()):
        chapters = [{"start_time": field(one, "time"), "title": one.get("label", "")} for one in entry["chapters"]]
    else:
        pairs = zip(field(entry, "timestamps"), field(entry, "sentences"), strict=True)
        chapters = [{"start_time": span[0], "title": title} for span, title in pairs]
    yield {
        "video_id": key,
        "url": f"{YOUTUBE}{key}",
        "meta": meta_of(entry, "duration", "channel", "tags") | {"chapters": chapters},
    }


RECIPE = Recipe(
    name="vidchapters7m",
    title="VidChapters-7M",
    files="chapters_dvc_{train,val,test}.json (processed annotations of antoyang/VidChapters); its pickles made into JSON once",
    licence="MIT (VidChapters); the videos are YouTube's",
    missing="the videos; the speech, if you do not have asr.pkl",
    paper="817 K videos of 23 min, 7 M chapters of 142 s with titles of 5.4 words*",
    configuration="""\
source:
  recipe: vidchapters7m
  videos: "chapters_dvc_*.json"     # {id: {"duration", "timestamps", "sentences"}}
  uri: "videos/{video_id}.{ext}"
  chapters: meta                    # hard boundaries of long clips
  text:
    format: vidchapters             # {id: {"text": [...], "start": [...], "end": [...]}}, or {id: {"segments": [...]}}
    path: asr.json                  # asr.pkl or asr_proc.pkl, made into JSON once
""",
    records=records,
)
