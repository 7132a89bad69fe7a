"""The default backend: PyAV. It decodes by plan first, and in sequence for files that do not follow their plan."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress

import av
import simplejpeg
from av.packet import Packet
from av.video.stream import VideoStream

from longtake.pipeline.decode.choose import GRACE_MS, choose, cost
from longtake.pipeline.decode.clock import NO_TIME, FrameClock
from longtake.pipeline.decode.cursor import Cursor
from longtake.pipeline.decode.geometry import Orientation
from longtake.pipeline.decode.picture import Painter
from longtake.pipeline.decode.planned import PlannedPass, Unsound
from longtake.pipeline.decode.results import ContainerError, Decoded, Frame, FrameFault, SourceError, SourceNote
from longtake.pipeline.decode.sequential import SequentialPass
from longtake.pipeline.decode.sound import audio_end_ms
from longtake.pipeline.decode.source import OpenSource, check_duration, open_source, source_info
from longtake.pipeline.decode.stopwatch import Stopwatch
from longtake.pipeline.decode.table import PacketTable, read_table
from longtake.schemas.config import Frames, Limits
from longtake.schemas.reasons import Reason
from longtake.schemas.records import SourceInfo


class PyAvBackend:
    """A backend that decodes exactly, at the cost of the needed packets only; see `decode_cost`."""

    def decode(self, path: str, times_ms: Sequence[int], frames: Frames, limits: Limits, watch: Stopwatch) -> Decoded:
        """See Backend.decode."""
        with _Job(path, frames, limits, watch) as job:
            return job.run(list(times_ms))

    def versions(self) -> dict[str, str]:
        """See Backend.versions."""
        numbers = {name: ".".join(map(str, av.library_versions[name])) for name in _LIBRARIES}
        return {"av": av.__version__, **numbers, "simplejpeg": simplejpeg.__version__}


_LIBRARIES = ("libavcodec", "libavformat", "libswscale")


def measured_info(source: OpenSource, table: PacketTable, orientation: Orientation) -> SourceInfo:
    """The facts of a source video, with its duration from the packet table and its size after `orientation`."""
    duration = max(end_ms(source, table), 0) if len(table) else source.header_ms
    return source_info(source, orientation, duration)


def end_ms(source: OpenSource, table: PacketTable) -> int:
    """The end of the last frame if nothing holds it on screen, in ms from the start of the source."""
    if not len(table.shown):
        known = table.dts[table.dts != NO_TIME]
        last = int(known.max()) if len(known) else (len(table) - 1) * source.frame_step
        return source.timeline.to_ms(last + source.frame_step) if source.frame_step else source.header_ms
    last_shown = int(table.shown[-1])
    duration = int(table.duration[last_shown]) or source.frame_step
    return source.timeline.to_ms(int(table.pts[last_shown]) + duration)


class _Job:
    """The decoding of one file: holds the open source, and one frame object for each frame taken."""

    def __init__(self, path: str, frames: Frames, limits: Limits, watch: Stopwatch) -> None:
        self._path, self._settings, self._limits, self._watch = path, frames, limits, watch
        self._stack = ExitStack()
        self._notes: list[SourceNote] = []

    def __enter__(self) -> "_Job":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self) -> OpenSource:
        """Open a fresh source at its first packet, and close the previous one."""
        self._stack.close()
        return self._stack.enter_context(open_source(self._path, self._limits))

    def run(self, times_ms: list[int]) -> Decoded:
        with self._watch.phase("index"):
            source = self._open()
            kept: list[Packet[VideoStream]] = []
            table = read_table(source, self._limits, kept)
        if not len(table):
            raise ContainerError(Reason.NO_FRAMES, table.error or "the video stream is empty")
        check_duration(end_ms(source, table), self._limits)
        if source.chosen:
            self._note(Reason.STREAM_CHOSEN, source.chosen)
        for join in table.joins[:1]:
            many = f" and {len(table.joins) - 1} times later" if len(table.joins) > 1 else ""
            at = source.timeline.to_ms(join)
            self._note(
                Reason.CLOCK_RESTARTED, f"its clock restarts or jumps at {at} ms{many}; the parts follow one another"
            )
        painter = Painter(source, self._settings, self._limits, self._watch)
        with self._watch.phase("decode"):
            planned = PlannedPass(Cursor(source, table, self._open, kept), table)
            taken: list[Frame | FrameFault] | None = None
            if table.is_plannable:
                with suppress(Unsound):
                    taken = self._planned(planned, source, table, painter, times_ms)
            decoded = planned.decoded
            kept.clear()
            if taken is None:
                painter = Painter(source, self._settings, self._limits, self._watch)
                sequential = SequentialPass(table, self._open(), painter.jpeg)
                taken = self._sequential(sequential, source, table, times_ms)
                decoded += sequential.decoded
        if painter.orientation is not None and painter.orientation.odd:
            self._note(Reason.ODD_ROTATION, "it is to be turned by no quarter turn; the nearest one was taken")
        info = measured_info(source, table, painter.orientation or Orientation())
        return Decoded(info, painter.size, tuple(taken), decoded, dict(self._watch.seconds), tuple(self._notes))

    def _note(self, reason: Reason, detail: str) -> None:
        self._notes.append(SourceNote(reason, detail))

    def _last_ms(self, end: int, times_ms: list[int]) -> int:
        """The end of the pictures. It is `end`, the end of the last frame, or with hold_last the end of the sound if a wanted
        time and the sound are later."""
        if self._settings.hold_last and any(t > end + GRACE_MS for t in times_ms):
            return max(end, audio_end_ms(self._path, self._limits))
        return end

    def _planned(
        self, planned: PlannedPass, source: OpenSource, table: PacketTable, painter: Painter, times_ms: list[int]
    ) -> list[Frame | FrameFault]:
        timeline = source.timeline
        end = self._last_ms(end_ms(source, table), times_ms)
        inside = [t for t in times_ms if t <= end + GRACE_MS]
        chosen = dict(zip(inside, choose(table, inside, timeline, self._settings.tolerance_ms), strict=True))
        taken = {
            ordinal: _frame(timeline.to_ms(int(table.pts[ordinal])), painter.jpeg(frame))
            for ordinal, frame in planned.frames(set(chosen.values()))
        }
        return [taken[chosen[t]] if t in chosen else past_end(t, end, table) for t in times_ms]

    def _sequential(
        self, sequential: SequentialPass, source: OpenSource, table: PacketTable, times_ms: list[int]
    ) -> list[Frame | FrameFault]:
        timeline = source.timeline
        found = sequential.run(times_ms)
        if sequential.last == NO_TIME:
            raise SourceError(Reason.NO_FRAMES, f"none of {len(table)} packets decodes to a frame")
        self._note_times(sequential.clock, source)
        end = max(end_ms(source, table), timeline.to_ms(sequential.last + source.frame_step))
        end = self._last_ms(end, times_ms)
        frames: dict[int, Frame | FrameFault] = {}
        taken: list[Frame | FrameFault] = []
        for time, here in zip(times_ms, found, strict=True):
            if time > end + GRACE_MS or here is None:
                taken.append(past_end(time, end, table))
                continue
            shown, picture = here
            if shown.sound:
                taken.append(frames.setdefault(shown.number, _frame(timeline.to_ms(shown.pts), picture)))
            else:
                detail = f"the frame on screen at {time} ms cannot be decoded"
                taken.append(FrameFault(Reason.FRAMES_DAMAGED, detail))
        return taken

    def _note_times(self, clock: FrameClock, source: OpenSource) -> None:
        if clock.steps_back:
            detail = f"{clock.steps_back} frames have times before that of the frame shown before them"
            self._note(Reason.TIMES_REPAIRED, f"{detail}; the order of showing was kept")
        elif clock.guessed or not source.has_times:
            self._note(
                Reason.TIMES_REPAIRED, "its packets have no times of showing; frames follow one another as decoded"
            )


def _frame(pts_ms: int, picture: bytes | FrameFault) -> Frame | FrameFault:
    return picture if isinstance(picture, FrameFault) else Frame(pts_ms, picture)


def past_end(time_ms: int, end: int, table: PacketTable) -> FrameFault:
    """The fault for a time after the end. A file that broke off is damaged, not short."""
    if table.error:
        return FrameFault(Reason.FRAMES_DAMAGED, f"{time_ms} ms: the file breaks off at {end} ms: {table.error}")
    return FrameFault(Reason.FRAMES_PAST_END, f"{time_ms} ms; the video ends at {end} ms")


def planned_cost(source: OpenSource, table: PacketTable, times_ms: Iterable[int], frames: Frames) -> int:
    """The number of packets that `PyAvBackend.decode` gives to the decoder; an upper bound if it decodes in sequence."""
    if not table.is_plannable:
        return len(table)
    end = end_ms(source, table)
    inside = [t for t in times_ms if t <= end + GRACE_MS]
    return cost(table, choose(table, inside, source.timeline, frames.tolerance_ms))
