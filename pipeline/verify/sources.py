"""Compare a finished corpus with its sources: the ffmpeg command line decodes videos again, and transcripts are read again.

The comparison says for every sample whether it matches its source, or why nobody can tell. The owner of a corpus built by an
earlier version can thus find out whether that version's decode faults damaged it.
"""

import heapq
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import Any

from pydantic import ValidationError

from longtake.pipeline.corpus.checked_table import UNREADABLE
from longtake.pipeline.corpus.faults import Fault
from longtake.pipeline.corpus.find_sample import read_files
from longtake.pipeline.decode import SourceError
from longtake.pipeline.decode.ffmpeg_command import INSTALL_FFMPEG, ffmpeg_command
from longtake.pipeline.decode.source import check_file
from longtake.pipeline.fragments.seen import SourceVersions, difference, version_of
from longtake.pipeline.plan.summary import read_summary
from longtake.pipeline.run.slots import cores
from longtake.pipeline.run.sources import blaming_the_source, local_source
from longtake.pipeline.verify.ffmpeg_pass import FfmpegPass
from longtake.pipeline.verify.source_frames import FrameComparison, Want, compare, excused
from longtake.pipeline.verify.source_text import text_faults
from longtake.schemas import storage, tables
from longtake.schemas.config import CorpusConfig, Frames, Limits
from longtake.schemas.errors import ConfigError, CorpusError, MissingExtraError
from longtake.schemas.keys import hash64
from longtake.schemas.layout import MEMBER_JSON, MEMBER_TEXT, Layout
from longtake.schemas.manifest import CorpusManifest, finished_manifest
from longtake.schemas.printable import printable
from longtake.schemas.records import IndexEntry

_HDR = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
_MOST_STREAMS = 8
_PART_MS = 600_000  # limits.decode_seconds allows this much video
_SAMPLES_IN_MEMORY = 4  # of one video: its frames are compared in order of time

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """The result of the comparison. `unjudged` has a line for each video that could not be fully compared, with the reason."""

    samples: int
    videos: int
    frames: int
    faults: tuple[Fault, ...]
    unjudged: tuple[str, ...]


@dataclass(slots=True)
class _Outcome:
    frames: int = 0
    faults: list[Fault] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)


def verify_sources(
    root: str,
    config: CorpusConfig | None,
    sample: int | None = None,
    seed: int = 0,
    workers: int = 0,
    progress: Progress = lambda done, total: None,
) -> SourceReport:
    """Compare the corpus at `root` with its sources.

    Args:
        config: the configuration that built the corpus. It knows the places of sources and transcripts. None: only videos with
            absolute paths and URIs can be found, and no transcripts.
        sample: how many samples to compare, chosen by `seed`; None: all.
        workers: how many videos are decoded at a time; 0: one for each core.

    Raises:
        CorpusError: there is no finished corpus, or it is damaged.
        MissingExtraError: there is no ffmpeg.
        ConfigError: a source cannot be found without a configuration.
    """
    layout = Layout(root)
    manifest = finished_manifest(layout)
    binary = ffmpeg_command(packaged_first=True)
    if binary is None:
        raise MissingExtraError(f"comparing with the sources needs the ffmpeg command. {INSTALL_FFMPEG}")
    job = _Job(layout, manifest, config, binary)
    entries = _chosen(layout, manifest, sample, seed)
    of_video: dict[str, list[IndexEntry]] = defaultdict(list)
    for entry in entries:
        of_video[entry.clip.video.video_id].append(entry)
    found = [sorted(of_video[video_id], key=lambda e: (e.clip.start_ms, e.clip.key)) for video_id in sorted(of_video)]
    for of_one in found:
        job.uri(of_one[0])  # fails before any work if the source cannot be found
    outcomes = []
    with ThreadPoolExecutor(workers or cores()) as pool:
        for done, outcome in enumerate(pool.map(job.check, found)):
            outcomes.append(outcome)
            progress(done + 1, len(found))
    unjudged = [line for outcome in outcomes for line in outcome.unjudged]
    if config is None:
        unjudged.append("texts were not compared with transcripts: give --config, the configuration of the corpus")
    return SourceReport(
        samples=len(entries),
        videos=len(found),
        frames=sum(outcome.frames for outcome in outcomes),
        faults=tuple(fault for outcome in outcomes for fault in outcome.faults),
        unjudged=tuple(map(printable, unjudged)),
    )


def _chosen(layout: Layout, manifest: CorpusManifest, sample: int | None, seed: int) -> list[IndexEntry]:
    """The index entries to compare: all, or the ones whose keys come first in the hash order of the seed."""
    names = [shard.name.removesuffix(".tar") for shard in manifest.shards]
    keys: set[str] | None = None
    if sample is not None:
        ranked = ((hash64(row["key"], seed), row["key"]) for name in names for row in _rows(layout, name, ["key"]))
        keys = {key for _, key in heapq.nsmallest(sample, ranked)}
    entries = []
    for name in names:
        for row in _rows(layout, name):
            if keys is None or row["key"] in keys:
                entries.append(_entry(layout, name, row))
    return entries


def _rows(layout: Layout, name: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    path = layout.shard_index(name)
    try:
        yield from storage.read_parquet(path, columns=columns).to_pylist()
    except (*UNREADABLE, KeyError) as error:
        raise CorpusError(f"{path}: unreadable: {error}. Check the corpus with: longtake verify") from None


def _entry(layout: Layout, name: str, row: dict[str, Any]) -> IndexEntry:
    try:
        entry = tables.entry_from_row(row)
    except (KeyError, TypeError, ValueError) as error:
        raise CorpusError(
            f"{layout.shard_index(name)}: a row is damaged: {error}. Check the corpus with: longtake verify"
        ) from None
    if entry.shard != name or not len(entry.frame_pts_ms) == len(entry.clip.frame_times_ms) == len(_jpegs(entry)):
        raise CorpusError(
            f"{layout.shard_index(name)}: row {entry.clip.key!r} is damaged. Check the corpus with: longtake verify"
        )
    return entry


def _jpegs(entry: IndexEntry) -> list[str]:
    """The names of the sample's frames, in order."""
    return [m.name for m in entry.members if not m.name.endswith((f".{MEMBER_JSON}", f".{MEMBER_TEXT}"))]


class _Job:
    """The facts about the corpus, and the check of one of its videos."""

    def __init__(self, layout: Layout, manifest: CorpusManifest, config: CorpusConfig | None, binary: str) -> None:
        self._layout, self._config, self._binary = layout, config, binary
        self._limits = config.limits if config is not None else Limits()
        published = manifest.config.get("frames")
        try:
            self._frames = Frames.model_validate(published)
        except ValidationError:
            raise CorpusError(
                f"{layout.manifest}: config.frames holds no frame settings. Check the corpus with: longtake verify"
            ) from None
        self._hdr = published.get("hdr") if isinstance(published, dict) else None
        self._seen_seed = int(manifest.config.get("seed", 0))
        summary = read_summary(layout.plan)
        masked = (manifest.config.get("filters") or {}).get("pii") == "mask"
        edited = summary is not None and summary.edited is not None
        self._rewritten = "filters.pii is mask" if masked else "a person edited the plan" if edited else ""

    def uri(self, entry: IndexEntry) -> str:
        """The address of a sample's source. Raises ConfigError if only the configuration can tell it."""
        uri = entry.clip.video.uri
        if self._config is not None:
            return self._config.resolve(uri)
        if not storage.is_remote(uri) and not uri.startswith("/"):
            raise ConfigError(
                f"video {entry.clip.video.video_id!r}: its path {uri!r} is relative to the folder of the configuration, "
                "which the corpus does not know; name the configuration that it was built with in --config"
            )
        return uri

    def check(self, entries: Sequence[IndexEntry]) -> _Outcome:
        """Compare the samples of one video. Faults, and reasons why something cannot be compared, go into the outcome."""
        video_id, uri, outcome = entries[0].clip.video.video_id, self.uri(entries[0]), _Outcome()
        now = version_of(uri)
        changed = difference(SourceVersions(self._layout, self._seen_seed).of(video_id), now) if now is not None else ""
        if changed:
            outcome.unjudged.append(f"{video_id}: the source has changed since the plan: {changed}")
            return outcome
        try:
            with blaming_the_source(), local_source(uri, self._limits) as path:
                check_file(path)
                self._check_frames(path, entries, outcome)
        except SourceError as error:
            outcome.unjudged.append(f"{video_id}: its source cannot be read: {error}")
        self._check_texts(entries, outcome)
        return outcome

    def _check_frames(self, path: str, entries: Sequence[IndexEntry], outcome: _Outcome) -> None:
        video_id = entries[0].clip.video.video_id
        wants = sorted(self._wants(entries), key=lambda want: want.time_ms)
        parts = max(ceil(entries[0].source.duration_ms / _PART_MS), 1)
        found = self._compared(path, entries[0].frame_size, wants, parts * self._limits.decode_seconds)
        if isinstance(found, str):
            outcome.unjudged.append(f"{video_id}: {found}")
            return
        outcome.frames += len(wants)
        where = _where(entries[0])
        of_all = (found.wrong_stream, _shape_fault(entries[0], found.comparison.shape), self._light_fault(found.shown))
        outcome.faults += [Fault(where, f"video {video_id}: {what}") for what in of_all if what]
        if self._hdr == "tonemap" and (found.shown.transfer in _HDR or found.shown.primaries == "bt2020"):
            outcome.unjudged.append(f"{video_id}: its pictures were tone-mapped, and ffmpeg does not do so unasked")
        else:
            _tell(entries, found, outcome)

    def _wants(self, entries: Sequence[IndexEntry]) -> Iterator[Want]:
        """Yield the frames of samples. With a tolerance, any frame within it is right, so the time in frame_pts_ms is
        compared."""
        files = _Files(self._layout)
        for entry in entries:
            frames = zip(entry.clip.frame_times_ms, entry.frame_pts_ms, _jpegs(entry), strict=True)
            for number, (time, pts, name) in enumerate(frames):
                asked = pts if abs(pts - time) <= self._frames.tolerance_ms else time
                yield Want(asked, pts, entry.clip.key, number, partial(files.read, entry, name))

    def _compared(
        self, path: str, frame_size: tuple[int, int], wants: Sequence[Want], seconds: float
    ) -> "_Compared | str":
        """The result of decoding, perhaps again with another clock or stream if it looks wrong. A text says why there is no
        result."""
        height, width = frame_size

        def decode(stream: int | None = None, from_first: bool = False) -> tuple[FfmpegPass, FrameComparison]:
            shown = FfmpegPass(self._binary, path, (width, height), self._limits, seconds, stream)
            return shown, compare(shown, wants, from_first)

        shown, found = decode()
        if shown.timed_out:
            return f"ffmpeg takes longer than {seconds:g} s (limits.decode_seconds for each ten minutes)"
        if not found.frames:
            return f"ffmpeg shows no frame: {shown.complaints[0][1] if shown.complaints else 'no reason given'}"
        if found.differences and not shown.has_clock and found.first_ms > 0:
            shown, found = min((shown, found), decode(from_first=True), key=lambda pair: len(pair[1].differences))
        if len(found.differences) <= len(wants) / 2:
            return _Compared(shown, found)
        others = [n for n, still in shown.videos.items() if not still and n != shown.stream]
        for stream in others[:_MOST_STREAMS]:
            other, again = decode(stream)
            if again.frames and len(again.differences) < len(wants) / 10:
                what = f"its frames are of stream #0:{stream}; ffmpeg takes #0:{shown.stream}"
                return _Compared(other, again, what if found.frames > 1 else "")  # a single picture is no video
        return _Compared(shown, found)

    def _light_fault(self, shown: FfmpegPass) -> str:
        """The fault of HDR pictures that were not tone-mapped."""
        if shown.transfer in _HDR and self._hdr in (None, "drop"):
            return f"its transfer is {shown.transfer} ({_HDR[shown.transfer]}), and its pictures were not tone-mapped"
        return ""

    def _check_texts(self, entries: Sequence[IndexEntry], outcome: _Outcome) -> None:
        if self._config is None:
            return
        video_id = entries[0].clip.video.video_id
        if self._rewritten:
            outcome.unjudged.append(f"{video_id}: its texts are not those of its transcript: {self._rewritten}")
            return
        try:
            for entry, what in text_faults(entries, self._config):
                outcome.faults.append(Fault(_where(entry), what))
        except (ConfigError, CorpusError, OSError) as error:
            outcome.unjudged.append(f"{video_id}: its transcript cannot be read: {error}")


@dataclass(frozen=True, slots=True)
class _Compared:
    shown: FfmpegPass
    comparison: FrameComparison
    wrong_stream: str = ""


def _tell(entries: Sequence[IndexEntry], found: _Compared, outcome: _Outcome) -> None:
    """Sort the differences into faults, and differences that prove nothing."""
    shards = {entry.clip.key: entry.shard for entry in entries}
    doubtful = []
    for one in found.comparison.differences:
        what = f"frame {one.want.number}: {one.what}"
        if found.shown.odd_angle or excused(found.shown, one.shown):
            doubtful.append(f"{one.want.key} {what}")
        else:
            outcome.faults.append(Fault(f"shards/{shards[one.want.key]}.tar {one.want.key}", what))
    if doubtful:
        why = "the file asks to be turned by an odd angle" if found.shown.odd_angle else "ffmpeg reports damage"
        about = f"{entries[0].clip.video.video_id}: {why}"
        outcome.unjudged.append(f"{about}: {len(doubtful)} differences prove nothing, as {doubtful[0]}")


class _Files:
    """The files of the samples read last, a few at most, because frames are compared in order of time."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._read: OrderedDict[str, dict[str, bytes]] = OrderedDict()

    def read(self, entry: IndexEntry, name: str) -> bytes:
        """A file of a sample, empty if it is missing; `longtake verify` reports missing files."""
        key = entry.clip.key
        if key not in self._read:
            self._read[key] = read_files(self._layout, entry)[0]
            if len(self._read) > _SAMPLES_IN_MEMORY:
                self._read.popitem(last=False)
        return self._read[key].get(name, b"")


def _where(entry: IndexEntry) -> str:
    return f"shards/{entry.shard}.tar {entry.clip.key}"


def _shape_fault(entry: IndexEntry, shape: float) -> str:
    """The fault in the shape of the JPEGs. `shape` is the picture's width over height on display."""
    height, width = entry.frame_size
    short = min(height, width)
    wide, high = short * max(shape, 1), short * max(1 / shape, 1)
    if abs(width - wide) <= 2 and abs(height - high) <= 2:
        return ""
    return f"its JPEGs are {width}x{height}; on display the picture is {wide:.0f}x{high:.0f}"
