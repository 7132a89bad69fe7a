"""Records of data sets that ask about whole videos: their rows as items of a task (schemas/task.py), joined by video."""

from collections.abc import Mapping, Sequence
from typing import Any

from longtake.pipeline.recipes.recipe import Record
from longtake.schemas.task import FIELD, Kind, task_json

#: How the configuration of such a data set ends.
WHOLE_VIDEOS = """\
frames:
  uniform: 32                       # spread over the whole video; with more, a training draws among them (docs/tasks.md)
split:
  train: 1                          # the published splits are files of their own: a corpus for each, as {test: 1}
"""


def asked(video_id: Any, kind: Kind, item: Mapping[str, Any], text: str) -> Record:
    """The record of one item about a video. `text` stands for it where people read. Raises ValueError for an unusable item."""
    given = {name: value for name, value in item.items() if value is not None}
    if isinstance(subtitles := given.get("subtitles"), list):
        given["subtitles"] = [_subtitle(one) for one in subtitles]
    return {"video_id": video_id, "sentences": [_whole(text)], "meta": {FIELD: task_json(kind, [given])}}


def joined(parts: Sequence[Record]) -> Record:
    """Make the record of a video with all its items."""
    items = [item for part in parts for item in part["meta"][FIELD]["items"]]
    text = " ".join(part["sentences"][0]["text"] for part in parts)
    kind = parts[0]["meta"][FIELD]["kind"]
    return {"video_id": parts[0]["video_id"], "sentences": [_whole(text)], "meta": {FIELD: task_json(kind, items)}}


def described(video_id: Any, sentences: Sequence[Any]) -> Record:
    """The record of a video with one paragraph, sentence by sentence. Their times only keep their order."""
    texts = [{"start": n, "end": n + 1, "text": text} for n, text in enumerate(sentences)]
    return {"video_id": video_id, "sentences": texts}


def _subtitle(value: Any) -> Any:
    """What a task holds of a subtitle: strangers' files may have anything beside it."""
    return (
        {name: value[name] for name in ("start", "end", "text") if name in value} if isinstance(value, dict) else value
    )


def _whole(text: str) -> Record:
    return {"start": 0, "end": 1, "text": text}  # its end is the end of the video, which no annotation tells
