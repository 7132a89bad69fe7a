"""HowToCaption: captions that a language model made from the speech of HowTo100M. Published as a pickle. No videos."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.parse.lines import quoted
from longtake.pipeline.recipes.recipe import YOUTUBE, Recipe, Record, field, sentences


def records(key: str, entry: Any) -> Iterator[Record]:
    """Yield the record of {"start": [...], "end": [...], "text": [[caption or [caption, score], ...], ...]}."""
    starts, ends, texts = (field(entry, name) for name in ("start", "end", "text"))
    spans = [[start, end] for start, end in zip(starts, ends, strict=True)]
    said = [" ".join(map(_sentence, captions)) for captions in texts]
    in_order = sorted(sentences(spans, said), key=lambda one: (one["start"], one["end"], one["text"]))
    yield {"video_id": key, "url": f"{YOUTUBE}{key}", "sentences": in_order}


def _sentence(caption: Any) -> str:
    text = caption[0] if isinstance(caption, list) and caption else caption
    if not isinstance(text, str):
        raise ValueError(f"{quoted(text)} is no caption")
    return text if text.endswith((".", "!", "?")) else f"{text}."


RECIPE = Recipe(
    name="howtocaption",
    title="HowToCaption",
    files="HowToCaption.pickle of ninatu/howtocaption, made into JSON once: the error says how",
    licence="LLaMA's model licence, says its README; the code is Apache 2.0",
    missing="the videos, those of HowTo100M",
    paper="25 M captions of the 1.2 M videos of HowTo100M; windows of 8 s*",
    configuration="""\
source:
  recipe: howtocaption
  videos: captions.json             # {id: {"start": [...], "end": [...], "text": [["...", "..."], ...]}}
  uri: "videos/{video_id}.{ext}"
merge:
  max_gap_ms: 30000                 # captions of 8 s, with gaps: only half of the windows have one
""",
    records=records,
)
