"""The sequential pass: decode everything in order, for files with a packet table that cannot be trusted.

A frame gets the time at which ffmpeg shows it (clock.py), whatever its time stamp says. Only sound frames are taken: after
damage, no frame is sound until decoding can start again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import av
import av.logging
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from longtake.pipeline.decode.bitstream import ENTRY
from longtake.pipeline.decode.choose import on_screen
from longtake.pipeline.decode.clock import NO_TIME, FrameClock
from longtake.pipeline.decode.geometry import Orientation, orientation_of
from longtake.pipeline.decode.results import FrameFault
from longtake.pipeline.decode.source import OpenSource
from longtake.pipeline.decode.table import CORRUPT, PacketTable

Paint = Callable[[VideoFrame, Orientation | None], bytes | FrameFault]


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """One frame of the file: its time, its number in the decoder's output (-1 if it did not come out), and whether its picture
    can be trusted."""

    pts: int
    number: int
    sound: bool


@dataclass(frozen=True, slots=True)
class _Output:
    """The facts kept of a frame that the decoder gave."""

    pts: int
    ordinal: int
    corrupt: bool
    key: bool
    errors: int  # number of packets that had failed by then


class SequentialPass:
    """One decode of the file from its start. `decoded` counts packets; `clock` shows the faults of its times."""

    def __init__(self, table: PacketTable, source: OpenSource, paint: Paint) -> None:
        self._table, self._source, self._paint = table, source, paint
        self.clock = FrameClock(source.frame_step)
        self.decoded = 0
        self._errors: list[int] = []  # ordinals of packets that failed to decode
        self._outputs: list[_Output] = []
        self._zero: int | None = None  # subtracted from times; only needed in containers without presentation times
        self._pictures: dict[int, bytes | FrameFault] = {}

    def run(self, times_ms: Sequence[int]) -> list[tuple[TimedFrame, bytes | FrameFault] | None]:
        """The frame on screen at each time, with its picture if it is sound; None for all times if nothing decodes.

        The source must be at its first packet. It is read no further than the last time needs.
        """
        timeline = self._source.timeline
        marks = sorted({timeline.last_pts(time) for time in times_ms})
        done = 0
        held: tuple[int, int, VideoFrame, Orientation | None] | None = None
        lies: Orientation | None = None  # a stream may state it only once, with its first picture
        for number, (ordinal, frame) in enumerate(self._decode()):
            pts = self._time(frame)
            lies = orientation_of(frame) or lies
            self._outputs.append(_Output(pts, ordinal, frame.is_corrupt, frame.key_frame, len(self._errors)))
            if held is not None and pts > held[0]:
                before = done
                while done < len(marks) and marks[done] < pts:
                    done += 1
                if done > before:
                    self._pictures[held[1]] = self._paint(*held[2:])
                if done == len(marks):
                    held = None
                    break
            held = (pts, number, frame, lies)
        if held is not None:
            self._pictures[held[1]] = self._paint(*held[2:])
        shown = self._shown()
        if not shown:
            return [None] * len(times_ms)
        chosen = on_screen([s.pts for s in shown], times_ms, timeline)
        return [(shown[i], self._pictures.get(shown[i].number, b"")) for i in chosen]

    @property
    def last(self) -> int:
        """The time of the last frame from the decoder, NO_TIME if there was none."""
        return self._outputs[-1].pts if self._outputs else NO_TIME

    def _time(self, frame: VideoFrame) -> int:
        # Presentation times in a container without times are made up from the order of its packets.
        pts = NO_TIME if frame.pts is None or not self._source.has_times else frame.pts
        found = self.clock.time(pts, NO_TIME if frame.dts is None else frame.dts, frame.duration or 0)
        if self._zero is None:
            self._zero = 0 if self._source.has_times else found - max(self._source.stream.start_time or 0, 0)
        return found - self._zero

    def _decode(self) -> Iterator[tuple[int, VideoFrame]]:
        """Yield (ordinal of its packet or -1, frame) for every frame. A packet that fails is recorded and skipped."""
        decode = self._source.stream.codec_context.decode
        flags = self._table.flags
        with _errors_told(bool(np.any(flags & CORRUPT))) as told:
            for ordinal, packet in enumerate(_all_packets(self._source)):
                before = len(told)
                try:
                    if packet is not None:
                        self.decoded += 1
                        packet.opaque = ordinal
                    frames = decode(packet)
                except MemoryError:
                    raise
                except (av.FFmpegError, OSError):
                    self._errors.append(ordinal)
                    continue
                # A packet that the demuxer calls damaged counts as damaged only if the decoder complains too.
                if len(told) > before and ordinal < len(flags) and flags[ordinal] & CORRUPT:
                    self._errors.append(ordinal)
                for frame in frames:
                    yield frame.opaque if isinstance(frame.opaque, int) else -1, frame

    def _shown(self) -> list[TimedFrame]:
        """Every frame that is or should have been on screen, by time. Frames of equal time keep the decoder's order."""
        damaged = set(self._errors) | {o.ordinal for o in self._outputs if o.corrupt and o.ordinal >= 0}
        unsound = self._spread(damaged)
        shown, errors, broken = [], 0, False
        for number, output in enumerate(self._outputs):
            # If frames do not name their packets, all are unsound from an error to the next key frame.
            broken = (broken and not output.key) or output.errors > errors
            errors = output.errors
            named = output.ordinal >= 0
            sound = not output.corrupt and (output.ordinal not in unsound if named else not broken)
            shown.append(TimedFrame(output.pts, number, sound))
        if shown:
            came = {output.ordinal for output in self._outputs}
            shown += [TimedFrame(self._packet_time(o), -1, False) for o in self._lost(unsound - came)]
        return sorted(shown, key=lambda s: (s.pts, s.number))

    def _packet_time(self, ordinal: int) -> int:
        pts, dts = int(self._table.pts[ordinal]), int(self._table.dts[ordinal])
        return (dts if pts == NO_TIME else pts) - (self._zero or 0)

    def _spread(self, damaged: Iterable[int]) -> set[int]:
        """The ordinals of pictures that the damage reaches: up to the next random access point, and its leading pictures."""
        table = self._table
        entries, count = table.entries, len(table)
        unsound: set[int] = set()
        for ordinal in sorted(o for o in damaged if o < count):
            if not table.reference[ordinal]:
                unsound.add(ordinal)
                continue
            after = int(np.searchsorted(entries, ordinal, side="right"))
            stop = int(entries[after]) if after < len(entries) else count
            unsound.update(range(ordinal, stop))
            if stop < count:
                end = int(entries[after + 1]) if after + 1 < len(entries) else count
                leading = np.flatnonzero(table.pts[stop:end] < table.pts[stop]) + stop
                unsound.update(leading.tolist())
        return unsound

    def _lost(self, unsound: set[int]) -> list[int]:
        """The unsound packets that were read and should have given a frame.

        A recording that starts in mid-stream has pictures before the first random access point that cannot be decoded. They do
        not count: for every player the video starts after them.
        """
        table = self._table
        shown = set(table.shown.tolist())
        first = 0
        if not table.flags[0] & ENTRY:
            first = int(table.entries[1]) if len(table.entries) > 1 else len(table)
        return [o for o in unsound if o in shown and first <= o < self.decoded]


@contextmanager
def _errors_told(listen: bool) -> Iterator[Sequence[object]]:
    """Collect libav's error messages while the block runs, if `listen`: for files with a packet that the demuxer doubts."""
    if not listen:
        yield ()
        return
    level, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as told:
            yield told
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips)


def _all_packets(source: OpenSource) -> "Iterator[Packet[VideoStream] | None]":
    """Yield the packets that are not empty, then None to drain the decoder. If the demuxer fails, the file ends there."""
    left = source.packets()
    while True:
        try:
            packet = next(left, None)
        except MemoryError:
            raise
        except (av.FFmpegError, OSError):
            packet = None
        if packet is None:
            break
        if packet.size:
            yield packet
    yield None
