"""YT-Temporal-1B (MERLOT Reserve), and YT-Temporal-180M before it: ids, with the words of YouTube's captions in the latter."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes.recipe import YOUTUBE, Recipe, Record, meta_of


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield the record of a row with video_id, or of an annotation with `info` and `subtitles`, a list of words and times."""
    info = row.get("info") or {}
    video_id = row.get("video_id") or info.get("id") or info.get("display_id")
    if not video_id:
        raise ValueError('has neither "video_id" nor "info" with an "id"')
    record = {"video_id": video_id, "url": f"{YOUTUBE}{video_id}", "meta": meta_of(info, "title", "duration", "tags")}
    if words := row.get("subtitles"):
        record["sentences"] = [
            {"start": one["time"], "end": _end(words, n, info), "text": one["word"]}
            for n, one in enumerate(words)
            if isinstance(one, dict) and isinstance(one.get("time"), int | float) and one.get("word")
        ]
    yield record


def _end(words: list[Any], n: int, info: Record) -> float:
    """The next word begins where one ends; none lasts longer than a second."""
    start = words[n]["time"]
    after = words[n + 1]["time"] if n + 1 < len(words) and isinstance(words[n + 1], dict) else info.get("duration")
    return float(min(after if isinstance(after, int | float) and after > start else start + 1, start + 1))


RECIPE = Recipe(
    name="yttemporal1b",
    title="YT-Temporal-1B",
    files="a CSV with the column `video_id`; of YT-Temporal-180M also JSON lines with `info` and `subtitles` (on request)",
    licence="for academic use, on request (rowanzellers.com/merlotreserve)",
    missing="the videos; of YT-Temporal-1B also the captions, which its authors took from YouTube (English, automatic)",
    paper="20 M videos, 1 G frames*",
    configuration="""\
source:
  recipe: yttemporal1b
  videos: yttemporal1b_ids_train.csv
  uri: "videos/{video_id}.{ext}"
  text:
    format: auto
    path: "subs/{video_id}*"        # what yt-dlp leaves; with annotations that have subtitles: format: none, and no path
    languages: [en]
# With those annotations, each word is a sentence with its time; these settings make sentences of them:
# clean: {texts: all}
# sentences: {split: sentences}
""",
    records=records,
)
