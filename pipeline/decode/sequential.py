"""The sequential pass: decode everything, for files whose packet table cannot be believed.

It takes what is sound. After damage, nothing is sound until decoding can start afresh.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from longtake.pipeline.decode.bitstream import ENTRY
from longtake.pipeline.decode.source import Source, packets
from longtake.pipeline.decode.table import CORRUPT, NO_TIME, PacketTable


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame of the file: its timestamp, the number it came out of the decoder with (-1: it did not), the packet
    it came from (-1: unknown) and whether its picture can be trusted.
    """

    pts: int
    number: int
    ordinal: int
    sound: bool


@dataclass
class _Run:
    """What one decode of the whole file showed."""

    frames: list[tuple[int | None, bool, bool, int]] = field(default_factory=list)  # pts, corrupt, key, errors so far
    errors: list[int] = field(default_factory=list)  # ordinals of packets that failed to decode


class SequentialPass:
    """Two decodes of the whole file: `survey` lists its frames, `frames` takes some. `decoded` counts packets of both.

    `reopen` gives a fresh source that stands at the first packet.
    """

    def __init__(self, table: PacketTable, reopen: Callable[[], Source]) -> None:
        self._table, self._reopen = table, reopen
        self.decoded = 0

    def survey(self) -> list[Seen]:
        """Every frame that is or should have been on screen, by time; frames of equal time as they were decoded."""
        run = _Run()
        for _, frame in self._decode(run):
            run.frames.append((frame.pts, frame.is_corrupt, frame.key_frame, len(run.errors)))
        ordinals = self._ordinals()
        damaged = set(run.errors) | set(np.flatnonzero(self._table.flags & CORRUPT).tolist())
        damaged |= {ordinals[pts] for pts, corrupt, _, _ in run.frames if corrupt and pts in ordinals}
        unsound = self._spread(damaged)
        seen, errors, broken, came = [], 0, False, set()
        for number, (pts, corrupt, key, errors_now) in enumerate(run.frames):
            if pts is None:
                continue
            ordinal = ordinals.get(pts, -1)
            came.add(ordinal)
            # Without a packet to name, all is unsound from an error to the next key frame.
            broken = (broken and not key) or errors_now > errors
            errors = errors_now
            sound = not corrupt and (not broken if ordinal < 0 else ordinal not in unsound)
            seen.append(Seen(pts, number, ordinal, sound))
        if seen:
            seen += [Seen(int(self._table.pts[o]), -1, o, False) for o in self._lost(unsound - came)]
        return sorted(seen, key=lambda s: (s.pts, s.number))

    def frames(self, numbers: Collection[int]) -> Iterator[tuple[int, VideoFrame]]:
        """Yield (number, frame) for the frames that came out of `survey` with these numbers."""
        last = max(numbers, default=-1)
        if last < 0:
            return
        for number, frame in self._decode(_Run()):
            if number in numbers:
                yield number, frame
            if number == last:
                return

    def _decode(self, run: _Run) -> Iterator[tuple[int, VideoFrame]]:
        """Yield (number, frame) of all that comes out; a packet that fails is noted in `run` and passed over."""
        source = self._reopen()
        number = 0
        for ordinal, packet in enumerate(_all_packets(source)):
            try:
                if packet is not None:
                    self.decoded += 1
                frames = source.stream.codec_context.decode(packet)
            except MemoryError:
                raise
            except (av.FFmpegError, OSError):
                run.errors.append(ordinal)
                continue
            for frame in frames:
                yield number, frame
                number += 1

    def _ordinals(self) -> dict[int, int]:
        """Timestamp -> ordinal of the packet shown then; ambiguous ones are left out."""
        table = self._table
        found: dict[int, int] = {}
        twice = set()
        for ordinal in table.shown.tolist():
            pts = int(table.pts[ordinal])
            if pts in found:
                twice.add(pts)
            found[pts] = ordinal
        return {pts: ordinal for pts, ordinal in found.items() if pts not in twice}

    def _spread(self, damaged: set[int]) -> set[int]:
        """The ordinals whose pictures damage reaches: up to the next random access point and its leading pictures."""
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
        """The unsound packets that should have given a frame.

        A recording that starts in mid-stream has pictures before the first random access point that nobody could ever
        decode. They are no loss: for every player the video starts after them.
        """
        table = self._table
        shown = set(table.shown.tolist())
        first = 0
        if not table.flags[0] & ENTRY:
            first = int(table.entries[1]) if len(table.entries) > 1 else len(table)
        return [o for o in unsound if o in shown and o >= first and table.pts[o] != NO_TIME]


def _all_packets(source: Source) -> "Iterator[Packet[VideoStream] | None]":
    """The packets that are not empty, then None to drain the decoder; a demuxer that fails ends the file."""
    left = packets(source.container, source.stream)
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
