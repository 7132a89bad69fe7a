"""What the reading part of the plan graph makes of the sources of a configuration."""

from typing import Any

import apache_beam as beam

from longtake.pipeline.read.graph import read_videos
from longtake.pipeline.read.rows import VideoText
from longtake.pipeline.run.runner import batches_for, pipeline_options
from longtake.schemas.config import CorpusConfig
from longtake.schemas.records import Drop

_COLLECTED: dict[str, list[Any]] = {"videos": [], "drops": []}


def _collect(element: Any, name: str) -> None:
    _COLLECTED[name].append(element)


def read(config: CorpusConfig) -> tuple[list[VideoText], list[Drop]]:
    """What the reading graph makes of the files, each in an order of its own."""
    for found in _COLLECTED.values():
        found.clear()
    with beam.Pipeline(options=pipeline_options(["--direct_running_mode=in_memory"], 1)) as root:
        read = read_videos(root, config, batches_for(root.options), probed=False)
        _ = read.texts | "Collect videos" >> beam.Map(_collect, "videos")
        _ = read.drops | beam.Flatten() | "Collect drops" >> beam.Map(_collect, "drops")
    videos = [VideoText(v.video, tuple(sorted(v.sentences, key=lambda s: s[0].clip_id))) for v in _COLLECTED["videos"]]
    return sorted(videos, key=lambda v: v.video.video_id), sorted(_COLLECTED["drops"])
