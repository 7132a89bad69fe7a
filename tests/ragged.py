"""A small corpus that readers get wrong: samples with different numbers of frames, several splits and shards, a split without
samples, and fields that only some samples have. And what is in its tars, read with the standard library."""

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import corpora
import pytest

from longtake.pipeline.build.seal import publish
from longtake.pipeline.merge.merge import long_clip
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, finished_manifest
from longtake.schemas.records import LongClip, SourceInfo

#: Sentences of the long clips of each video, and its split: the first samples of a shard have few frames, later ones many.
VIDEOS = {"alpha": (1, "train"), "beta": (2, "train"), "gamma": (3, "val"), "delta": (1, "val"), "epsilon": (3, "train"),
          "zeta": (2, "train"), "eta": (3, "train"), "theta": (1, "test"), "iota": (3, "test")}  # fmt: skip
MOST_FRAMES = 6
#: What records say of their videos. All fields have one type each.
META: Mapping[str, Any] = {
    "alpha": {"channel": "ours", "views": 3, "chapters": [{"title": "Début", "start_time": 0.5}]},
    "beta": {},
    "gamma": {"channel": None, "views": 4.5, "tags": [], "nested": [[1], [2, 3]]},
    "zeta": {"tags": ["a", "b"], "live": True, "chapters": []},
}


def build(root: Path, meta: Mapping[str, Any] = META) -> Layout:
    """Make the corpus as a build does it, with card. `meta` is the field of the videos it names; others have {}."""
    made, settings = corpora.clips_of, corpora.config()
    splits = settings.model_copy(update={"split": {"train": 0.5, "val": 0.2, "test": 0.2, "empty": 0.1}})
    colour = partial(SourceInfo, primaries="bt709", transfer="bt709", matrix="bt709", range="tv")

    def clips_of(video_id: str, config: Any) -> list[LongClip]:
        number, split = VIDEOS[video_id]
        found = []
        for clip in made(video_id, config):
            first, *others = clip.sentences[:number]
            video = replace(clip.video, meta=json.dumps(meta.get(video_id, {})))
            named = replace(first, speaker="Ann", timing="words", asr="said") if number == 2 else first
            cut = long_clip(video, (named, *others), config.frames.per_sentence)
            found.append(replace(cut, split=split))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora, "clips_of", clips_of)
        patch.setattr(corpora, "SourceInfo", colour)
        patch.setattr(corpora, "config", lambda: splits)
        layout = corpora.build(root, tuple(VIDEOS))
    publish(layout, manifest_of(layout))
    return layout


def manifest_of(layout: Layout) -> CorpusManifest:
    return finished_manifest(layout)


@dataclass(frozen=True, slots=True)
class TarSample:
    """A sample as it is in a tar. `frames` are in the order of the tar, by the rest of their names."""

    key: str
    shard: str
    content: dict[str, Any]
    text: str
    frames: dict[str, bytes]

    @property
    def split(self) -> str:
        return self.shard.rpartition("-")[0]


def in_tars(root: str) -> dict[str, TarSample]:
    """All samples, by key, with nothing of ours."""
    found: dict[str, TarSample] = {}
    for path in sorted(Path(root, "shards").iterdir()):
        whole: dict[str, dict[str, bytes]] = {}
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, name = member.name.partition(".")
                whole.setdefault(key, {})[name] = tar.extractfile(member).read()  # type: ignore[union-attr]
        for key, members in whole.items():
            content, text = json.loads(members.pop("json")), members.pop("txt").decode()
            found[key] = TarSample(key, path.stem, content, text, members)
    return found
