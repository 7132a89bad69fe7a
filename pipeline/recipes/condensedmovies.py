"""Condensed Movies: scenes of movies on YouTube, with a description of each. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes.recipe import YOUTUBE, Recipe, Record, meta_of, whole

_UNKNOWN_S = (
    86_400  # longer than any scene: frames.uniform needs no duration, and without it the ledger says what is wrong
)


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield what a row of clips.csv, descriptions.csv or durations.csv tells of a scene; nothing for rows about movies."""
    if video_id := row.get("videoid"):
        if "caption" in row:  # a file of the challenge, which tells no duration
            row = row | {"description": row["caption"]}
        yield {"video_id": video_id} | meta_of(row, "description", "duration", "title", "clip_name", "year", "imdbid")


def joined(parts: list[Record]) -> Record:
    """Make the record of a scene of its rows: its description is said of all of it."""
    row = {name: value for part in reversed(parts) for name, value in part.items()}
    known = whole(row.get("duration", _UNKNOWN_S), row["description"]) if "description" in row else []
    return {
        "video_id": row["video_id"],
        "url": f"{YOUTUBE}{row['video_id']}",
        "sentences": known,
        "meta": meta_of(row, "title", "clip_name", "year", "imdbid"),
    }


RECIPE = Recipe(
    name="condensedmovies",
    title="Condensed Movies",
    files="data/metadata of m-bain/CondensedMovies: clips.csv, descriptions.csv, durations.csv",
    licence="none stated for the metadata; the scenes belong to the makers of the movies",
    missing="the videos; the text is a description each, not speech (YouTube has captions of many)",
    paper="34 K scenes of 3,605 movies, 2 min and 18 words each, 1.3 K hours*",
    configuration="""\
source:
  recipe: condensedmovies
  videos: "metadata/*.csv"          # clips.csv, descriptions.csv, durations.csv; rows of one scene are joined
  uri: "videos/{video_id}.{ext}"
merge:
  min_sentences: 1                  # the description of the whole scene is its only sentence
  max_duration_ms: 600000
# For retrieval (docs/tasks.md): videos: train_challf0.csv of the challenge, and
#   frames: {uniform: 32}
""",
    records=records,
    joined=joined,
)
