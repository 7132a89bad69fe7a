"""The default backend: PyAV, planned decoding first, sequential decoding for files that do not keep to their plan."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress

import av
import simplejpeg

from longtake.pipeline.decode.choose import GRACE_MS, choose, cost, on_screen
from longtake.pipeline.decode.cursor import Cursor
from longtake.pipeline.decode.picture import Painter
from longtake.pipeline.decode.planned import PlannedPass, Unsound
from longtake.pipeline.decode.results import ContainerError, Decoded, Frame, FrameFault, SourceError
from longtake.pipeline.decode.sequential import SequentialPass
from longtake.pipeline.decode.source import Source, check_duration, open_source
from longtake.pipeline.decode.stopwatch import Stopwatch
from longtake.pipeline.decode.table import PacketTable, read_table
from longtake.schemas.config import Frames, Limits
from longtake.schemas.reasons import Reason
from longtake.schemas.records import SourceInfo


class PyAvBackend:
    """Exact at the cost of the packets needed; see `decode_cost`."""

    def decode(self, path: str, times_ms: Sequence[int], frames: Frames, limits: Limits, watch: Stopwatch) -> Decoded:
        """See Backend.decode."""
        with _Job(path, frames, limits, watch) as job:
            return job.run(list(times_ms))

    def versions(self) -> dict[str, str]:
        """See Backend.versions."""
        numbers = {name: ".".join(map(str, av.library_versions[name])) for name in _LIBRARIES}
        return {"av": av.__version__, **numbers, "simplejpeg": simplejpeg.__version__}


_LIBRARIES = ("libavcodec", "libavformat", "libswscale")


def measured_info(source: Source, table: PacketTable, turns: int) -> SourceInfo:
    """The facts of a source whose packets have been listed; `turns` are the quarter turns it is shown with."""
    width, height = (source.height, source.width) if turns % 2 else (source.width, source.height)
    duration = max(end_ms(source, table), 0) if len(table) else source.header_ms
    return SourceInfo(width, height, source.fps, source.codec, duration)


def end_ms(source: Source, table: PacketTable) -> int:
    """When the last frame leaves the screen, in ms from the start of the source."""
    if not len(table.shown):
        return source.header_ms
    last = int(table.shown[-1])
    duration = int(table.duration[last])
    if not duration and source.fps:
        duration = round(source.timeline.den / (source.timeline.num * source.fps))
    return source.timeline.to_ms(int(table.pts[last]) + duration)


class _Job:
    """Decoding of one file: holds what is open, and one frame object for each frame taken."""

    def __init__(self, path: str, frames: Frames, limits: Limits, watch: Stopwatch) -> None:
        self._path, self._settings, self._limits, self._watch = path, frames, limits, watch
        self._stack = ExitStack()

    def __enter__(self) -> "_Job":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self) -> Source:
        """A fresh source at its first packet; the one before is closed."""
        self._stack.close()
        return self._stack.enter_context(open_source(self._path, self._limits))

    def run(self, times_ms: list[int]) -> Decoded:
        with self._watch.phase("index"):
            source = self._open()
            table = read_table(source, self._limits)
        if not len(table):
            raise ContainerError(Reason.NO_FRAMES, table.error or "the video stream is empty")
        end = end_ms(source, table)
        check_duration(end, self._limits)
        painter = Painter(source, self._settings, self._limits, self._watch)
        with self._watch.phase("decode"):
            planned = PlannedPass(Cursor(source, table, self._open), table)
            taken: list[Frame | FrameFault] | None = None
            if table.is_plannable:
                with suppress(Unsound):
                    taken = self._planned(planned, source, table, painter, times_ms, end)
            decoded = planned.decoded
            if taken is None:
                sequential = SequentialPass(table, self._open)
                taken = self._sequential(sequential, source, table, painter, times_ms)
                decoded += sequential.decoded
        info = measured_info(source, table, painter.turns or 0)
        return Decoded(info, painter.size, tuple(taken), decoded, dict(self._watch.seconds))

    def _planned(
        self, planned: PlannedPass, source: Source, table: PacketTable, painter: Painter, times_ms: list[int], end: int
    ) -> list[Frame | FrameFault]:
        timeline = source.timeline
        inside = [t for t in times_ms if t <= end + GRACE_MS]
        chosen = dict(zip(inside, choose(table, inside, timeline, self._settings.tolerance_ms), strict=True))
        wanted = set(chosen.values())
        frames = {
            ordinal: Frame(timeline.to_ms(int(table.pts[ordinal])), painter.jpeg(frame))
            for ordinal, frame in planned.frames(wanted)
        }
        return [frames[chosen[t]] if t in chosen else past_end(t, end, table) for t in times_ms]

    def _sequential(
        self, sequential: SequentialPass, source: Source, table: PacketTable, painter: Painter, times_ms: list[int]
    ) -> list[Frame | FrameFault]:
        timeline = source.timeline
        seen = sequential.survey()
        if not seen:
            raise SourceError(Reason.NO_FRAMES, f"none of {len(table)} packets decodes to a frame with a time")
        step = round(timeline.den / (timeline.num * source.fps)) if source.fps else 0
        end = max(end_ms(source, table), timeline.to_ms(seen[-1].pts + step))
        chosen = on_screen([s.pts for s in seen], times_ms, timeline)
        numbers = {
            seen[i].number for i, t in zip(chosen, times_ms, strict=True) if seen[i].sound and t <= end + GRACE_MS
        }
        jpegs = {number: painter.jpeg(frame) for number, frame in sequential.frames(numbers)}
        frames = {s.number: Frame(timeline.to_ms(s.pts), jpegs[s.number]) for s in seen if s.number in jpegs}
        return [
            past_end(t, end, table) if t > end + GRACE_MS else frames.get(seen[i].number) or _damaged(seen[i].pts, t)
            for i, t in zip(chosen, times_ms, strict=True)
        ]


def past_end(time_ms: int, end: int, table: PacketTable) -> FrameFault:
    """The fault of a time after the end; a file that broke off is damaged, not short."""
    if table.error:
        return FrameFault(Reason.FRAMES_DAMAGED, f"{time_ms} ms: the file breaks off at {end} ms: {table.error}")
    return FrameFault(Reason.FRAMES_PAST_END, f"{time_ms} ms; the video ends at {end} ms")


def _damaged(pts: int, time_ms: int) -> FrameFault:
    return FrameFault(Reason.FRAMES_DAMAGED, f"the frame on screen at {time_ms} ms cannot be decoded")


def planned_cost(source: Source, table: PacketTable, times_ms: Iterable[int], frames: Frames) -> int:
    """How many packets `PyAvBackend.decode` will give to the decoder."""
    if not table.is_plannable:
        return 2 * len(table)
    end = end_ms(source, table)
    inside = [t for t in times_ms if t <= end + GRACE_MS]
    return cost(table, choose(table, inside, source.timeline, frames.tolerance_ms))
