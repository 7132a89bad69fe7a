"""Scoring the samples of a fragment, and keeping the scores beside it in staging.

A fragment knows nothing of text, so relevance has a file of its own, named by a digest of the model and the texts: a threshold
may change and nothing is scored again, a text or the model may change and nothing is decoded again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from longtake.pipeline.embeddings.clip_model import CLIP_MODEL
from longtake.pipeline.fragments.fragment import MARKER_SUFFIX, Marker, entry_data, read_entries
from longtake.pipeline.run.model_files import first_line
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip

_SUFFIX = ".relevance"
Relevances = Mapping[str, float | None]  # by key; None where the model failed


class Relevance:
    """The relevance of the samples of a configuration. Loads the model for the first sample that has no score yet."""

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self._decides = [CLIP_MODEL.digest(config), CLIP_MODEL.versions(config)]

    def score(self, clips: Sequence[LongClip], path: str, marker: Marker) -> tuple[str, Marker, list[Drop]]:
        """Where the relevance of the samples of the marker at `path` is kept, the marker with it, and a note for each sample that
        the model fails on. Raises OSError where the fragment cannot be read, or the scores not be written."""
        texts = {clip.key: [s.text for s in clip.sentences] for clip in clips}
        decides = [*self._decides, [[s.key, s.sha256, texts[s.key]] for s in marker.samples]]
        digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
        kept_at = f"{path.removesuffix(MARKER_SUFFIX)}.{digest[:16]}{_SUFFIX}"
        known = _read(kept_at)
        if known is not None and all(value is not None for value in known.values()):
            return kept_at, _added(marker, known), []
        model, scores, notes = CLIP_MODEL.get(self._config), dict[str, float | None](), list[Drop]()
        videos = {clip.key: clip.video.video_id for clip in clips}
        for sample in marker.samples:
            jpegs = entry_data(read_entries(path, marker, sample), sample)
            try:
                scores[sample.key] = model.relevance(texts[sample.key], jpegs)
            except Exception as error:  # whatever the model does to this one
                scores[sample.key] = None
                detail = f"without score_relevance: {type(error).__name__}: {first_line(error)}"
                video = videos[sample.key]
                notes.append(Drop(video, Subject.NOTE, sample.key, Stage.DECODE, Reason.NOT_SCORED, detail))
        storage.write_bytes(kept_at, json.dumps({"scores": scores, "sha256": _sha256(scores)}).encode())
        return kept_at, _added(marker, scores), notes


def with_relevance(marker: Marker, path: str) -> Marker:
    """The marker with the scores that are kept at `path`. Raises OSError where they are gone."""
    found = _read(path)
    if found is None:
        raise OSError(f"{path}: gone since it was written. Run the build again.")
    return _added(marker, found)


def _added(marker: Marker, scores: Relevances) -> Marker:
    samples = []
    for sample in marker.samples:
        value = scores.get(sample.key)
        added = () if value is None else (("relevance", value),)
        samples.append(replace(sample, scores=(*sample.scores, *added)))
    return replace(marker, samples=tuple(samples))


def _read(path: str) -> Relevances | None:
    """What is kept at `path`; None where it is missing or not what was written."""
    try:
        raw = json.loads(storage.read_bytes(path))
        scores = raw["scores"]
        return dict(scores) if raw["sha256"] == _sha256(scores) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sha256(scores: Relevances) -> str:
    return hashlib.sha256(json.dumps(scores).encode()).hexdigest()
