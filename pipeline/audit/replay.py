"""Contact sheets of dropped long clips. Text comes from the plan, or from planning the sources again; frames come from the
sources."""

from collections.abc import Iterator, Sequence

from longtake.pipeline.audit.database import Database, quoted
from longtake.pipeline.audit.result import Sheet
from longtake.pipeline.audit.sheets import clip_facts, draw
from longtake.pipeline.corpus.withdrawn import read_withdrawn
from longtake.pipeline.decode import Frame, SourceError, decode_frames
from longtake.pipeline.explain.explain import plan_one
from longtake.pipeline.explain.read import read_video
from longtake.pipeline.run.slots import Slots
from longtake.pipeline.run.sources import blaming_the_source, in_slot, local_source
from longtake.schemas import tables
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.records import LongClip

_NO_SOURCES = "Frames of dropped long clips are not in the corpus: audit with --config to see them."


class Replay:
    """Makes sheets of dropped long clips. Without `config` there are no frames, and no text of long clips dropped before the
    plan. Withdrawn long clips, and all that share time with them, get no sheet."""

    def __init__(self, database: Database, config: CorpusConfig | None, slots: Slots | None, probe: str) -> None:
        self._database, self._config, self._slots, self._probe = database, config, slots, probe
        self._videos: dict[str, Sequence[LongClip]] = {}
        self._withdrawn = read_withdrawn(database.layout)

    def sheet(self, video_id: str, key: str) -> Sheet | None:
        """The sheet of a dropped long clip; None if its text is unavailable, or must not be shown."""
        if self._withdrawn.clip(video_id, key):
            return None
        clip = self._planned(key) or next((c for c in self._judged(video_id) if c.key == key), None)
        if clip is None:
            return None
        facts = [*clip_facts(clip), *((name.replace("_", " "), f"{value:.4g}") for name, value in clip.scores)]
        if self._config is None or self._slots is None:
            return draw(clip, {}, (), facts, _NO_SOURCES)
        try:
            jpegs, taken = self._frames(clip)
        except SourceError as error:
            return draw(clip, {}, (), facts, f"Its frames cannot be had: {error}")
        return draw(clip, jpegs, taken, facts)

    def _planned(self, key: str) -> LongClip | None:
        sql = f"SELECT * FROM 'plan/*.parquet' WHERE key = {quoted(key)}"
        found = self._database.records(sql)
        return tables.clip_from_row(found[0]) if found else None

    def _judged(self, video_id: str) -> Sequence[LongClip]:
        """The long clips of a video with their scores, before any was filtered out."""
        if self._config is None:
            return ()
        if video_id not in self._videos:
            self._videos[video_id] = tuple(self._plan_again(video_id, self._config))
        return self._videos[video_id]

    def _plan_again(self, video_id: str, config: CorpusConfig) -> Iterator[LongClip]:
        try:
            planned = plan_one(
                read_video(video_id, config), config, self._slots, self._probe, self._database.layout.embeddings
            )
        except (ConfigError, CorpusError, OSError):
            return
        if planned.filtered is not None:
            yield from (clip for clip, _ in planned.filtered.judged)

    def _frames(self, clip: LongClip) -> tuple[dict[int, bytes], list[int]]:
        config, slots = self._config, self._slots
        if config is None or slots is None:
            raise ValueError("there are no sources")
        limits = config.limits
        with blaming_the_source(), local_source(config.resolve(clip.video.uri), limits) as path:
            decoded = in_slot(
                slots, limits.decode_seconds, decode_frames, path, list(clip.frame_times_ms), config.frames, limits
            )
        jpegs = {n: frame.jpeg for n, frame in enumerate(decoded.frames) if isinstance(frame, Frame)}
        return jpegs, [frame.pts_ms if isinstance(frame, Frame) else 0 for frame in decoded.frames]
