"""The packet table: one demux pass over a file, no decoding. All planning is done on it.

It is never taken from the container's own index: that one holds decode times for MP4 with B-frames, and next to nothing
for Matroska.
"""

from array import array
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from longtake.pipeline.decode import bitstream
from longtake.pipeline.decode.bitstream import ENTRY, LAYERED, REFERENCE, VISIBLE
from longtake.pipeline.decode.results import SourceError
from longtake.pipeline.decode.source import Source, packets
from longtake.schemas.config import Limits
from longtake.schemas.reasons import Reason

#: Decoded but not shown (an edit list cut it off).
DISCARD = 16
#: The demuxer knows that bytes of the packet are missing.
CORRUPT = 32
#: Stands for a timestamp that a packet does not have.
NO_TIME = -(2**63)

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PacketTable:
    """One row per packet that is not empty, in file order; the row number is the packet's ordinal.

    `pts`, `dts` and `duration` are in the stream's time base, NO_TIME or 0 where absent; `pos` is the offset in the
    file or -1. `flags` are those of bitstream, DISCARD and CORRUPT. `error` is what stopped the demuxer, or "".
    """

    pts: Int64s
    dts: Int64s
    pos: Int64s
    size: npt.NDArray[np.int32]
    duration: npt.NDArray[np.int32]
    flags: npt.NDArray[np.uint8]
    error: str

    def __len__(self) -> int:
        return len(self.pts)

    @cached_property
    def entries(self) -> Int64s:
        """Ordinals at which decoding may start: the first packet, and every random access point."""
        marked = np.flatnonzero(self.flags & ENTRY)
        return marked if len(marked) and marked[0] == 0 else np.concatenate([[0], marked]).astype(np.int64)

    @cached_property
    def reference(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.flags & REFERENCE, np.bool_)

    @cached_property
    def references_before(self) -> Int64s:
        """How many reference packets lie before each ordinal; one longer than the table."""
        return np.concatenate([[0], np.cumsum(self.reference)]).astype(np.int64)

    @cached_property
    def _on_screen(self) -> npt.NDArray[np.bool_]:
        return np.asarray(((self.flags & (VISIBLE | DISCARD)) == VISIBLE) & (self.pts != NO_TIME), np.bool_)

    @cached_property
    def shown(self) -> Int64s:
        """Ordinals of the packets that become frames on screen, in the order of their times."""
        ordinals = np.flatnonzero(self._on_screen)
        return ordinals[np.argsort(self.pts[ordinals], kind="stable")]

    @cached_property
    def shown_pts(self) -> Int64s:
        """The timestamps of `shown`, ascending."""
        return self.pts[self.shown]

    @property
    def has_leading(self) -> bool:
        """Whether a picture is shown before the random access point that it follows (open groups of pictures)."""
        group = np.searchsorted(self.entries, self.shown, side="right") - 1
        return bool(np.any((self.shown_pts < self.pts[self.entries[group]]) & (group > 0)))

    @property
    def is_plannable(self) -> bool:
        """Whether the table alone says which frame is on screen when: every packet has a time of its own."""
        timed = bool(np.all((self.pts != NO_TIME) | ((self.flags & DISCARD) != 0)))
        return timed and len(self.shown) > 0 and bool(np.all(np.diff(self.shown_pts) > 0))


def read_table(source: Source, limits: Limits) -> PacketTable:
    """Demux the whole file. Raises SourceError(LIMIT_EXCEEDED) for more than `limits.packets` packets."""
    pts, dts, pos = array("q"), array("q"), array("q")
    size, duration, flags = array("i"), array("i"), bytearray()
    read = bitstream.reader(source.codec, source.container.format.name, source.stream.codec_context.extradata)
    most, error = limits.packets, ""
    try:
        for packet in packets(source.container, source.stream):
            length = packet.size
            if not length:  # the flush packet at the end, or one that repeats the frame before
                continue
            flag = read(memoryview(packet), packet.is_keyframe)
            if packet.is_discard:
                flag |= DISCARD
            if packet.is_corrupt:
                flag |= CORRUPT
            time = packet.pts
            pts.append(NO_TIME if time is None else time)
            time = packet.dts
            dts.append(NO_TIME if time is None else time)
            place = packet.pos
            pos.append(-1 if place is None else place)
            size.append(length)
            duration.append(min(packet.duration or 0, 2**31 - 1))
            flags.append(flag)
            if len(flags) > most:
                raise SourceError(Reason.LIMIT_EXCEEDED, f"more than {most} packets")
    except MemoryError:
        raise
    except (av.FFmpegError, OSError) as fault:
        error = str(fault)
    marks = np.frombuffer(bytes(flags), np.uint8)
    if source.codec == "hevc" and np.any(marks & LAYERED):
        marks = marks | np.uint8(REFERENCE)
    return PacketTable(
        _column(pts, np.int64),
        _column(dts, np.int64),
        _column(pos, np.int64),
        _column(size, np.int32),
        _column(duration, np.int32),
        marks,
        error,
    )


def _column(values: "array[int]", kind: Any) -> Any:
    return np.frombuffer(values, kind) if values else np.empty(0, kind)
