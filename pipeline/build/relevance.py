"""Score the samples of a fragment, and keep the scores beside it in staging.

A fragment does not depend on text, so relevance has its own file, named by a digest of the model and the texts. A new threshold
needs no new scores; a new text or model needs no decoding.
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
Relevances = Mapping[str, float | None]  # by key; None if the model failed


class Relevance:
    """Scores samples as one configuration asks. Loads the model for the first sample without a score."""

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self._decides = [CLIP_MODEL.digest(config), CLIP_MODEL.versions(config)]

    def score(self, clips: Sequence[LongClip], path: str, marker: Marker) -> tuple[str, Marker, list[Drop]]:
        """The path of the scores, the marker with the scores added, and a note for each sample that the model fails on.

        `path` is the path of `marker`. Raises OSError if the fragment cannot be read or the scores cannot be written.
        """
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
            except Exception as error:  # the model may raise anything
                scores[sample.key] = None
                detail = f"without score_relevance: {type(error).__name__}: {first_line(error)}"
                video = videos[sample.key]
                notes.append(Drop(video, Subject.NOTE, sample.key, Stage.DECODE, Reason.NOT_SCORED, detail))
        storage.write_bytes(kept_at, json.dumps({"scores": scores, "sha256": _sha256(scores)}).encode())
        return kept_at, _added(marker, scores), notes


def with_relevance(marker: Marker, path: str) -> Marker:
    """The marker with the scores from the file `path` added. Raises OSError if the file is missing."""
    found = _read(path)
    if found is None:
        raise OSError(f"{path}: no longer exists. Run the same command again.")
    return _added(marker, found)


def _added(marker: Marker, scores: Relevances) -> Marker:
    samples = []
    for sample in marker.samples:
        value = scores.get(sample.key)
        added = () if value is None else (("relevance", value),)
        samples.append(replace(sample, scores=(*sample.scores, *added)))
    return replace(marker, samples=tuple(samples))


def _read(path: str) -> Relevances | None:
    """The scores in the file `path`; None if it is missing or its digest is wrong."""
    try:
        raw = json.loads(storage.read_bytes(path))
        scores = raw["scores"]
        return dict(scores) if raw["sha256"] == _sha256(scores) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sha256(scores: Relevances) -> str:
    return hashlib.sha256(json.dumps(scores).encode()).hexdigest()
