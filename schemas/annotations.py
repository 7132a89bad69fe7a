"""The entries of published annotation files, one at a time: whose video, which sentences. Nothing is evaluated.

The corpus pipeline (pipeline/recipes) and `longtake evaluate --annotations` (model/retrieval) read them with these functions. All
raise ValueError for an entry of another shape. Whether a sentence is a text is for the caller to check.
"""

from typing import Any

Sentences = list[Any]


def activitynet_sentences(entry: Any) -> Sentences:
    """ActivityNet Captions: {"duration", "timestamps", "sentences"}, by video id."""
    if not isinstance(entry, dict) or not isinstance(entry.get("sentences"), list):
        raise ValueError("no list called sentences")
    return list(entry["sentences"])


def didemo_sentence(row: Any) -> tuple[str, Any]:
    """DiDeMo: {"video", "description", "times", ...}, a row for each sentence. Return the video and the sentence."""
    video = row.get("video") if isinstance(row, dict) else None
    if not isinstance(video, str) or "description" not in row:
        raise ValueError("no video or no description")
    return video, row["description"]


def queryd_sentences(captions: Any) -> Sentences:
    """QuerYD: a list of captions, each a list of words, by video id."""
    if not isinstance(captions, list):
        raise ValueError("not a list of captions")
    words = [c for c in captions if isinstance(c, list) and all(isinstance(word, str) for word in c)]
    return [" ".join(c) for c in words] if len(words) == len(captions) else captions


def released_text(row: Any) -> tuple[Any, Sentences]:
    """The retrieval lists of the released code: {"clip_id", "text"}, text a string or a list of sentences."""
    if not isinstance(row, dict) or "clip_id" not in row or "text" not in row:
        raise ValueError("no clip_id or no text")
    text = row["text"]
    return row["clip_id"], text if isinstance(text, list) else [text]
