"""The packet table: one demux pass over a file, no decoding. All planning uses it.

It is never taken from the container's own index, which holds decode times for MP4 with B-frames, and almost nothing for
Matroska.
"""

from array import array
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import numpy.typing as npt

from longtake.pipeline.decode import bitstream
from longtake.pipeline.decode.bitstream import BACKWARD, CHANGES, ENTRY, LAYERED, REFERENCE, VISIBLE
from longtake.pipeline.decode.clock import NO_TIME
from longtake.pipeline.decode.results import SourceError
from longtake.pipeline.decode.source import OpenSource
from longtake.schemas.config import Limits
from longtake.schemas.reasons import Reason

#: Decoded but not shown (an edit list cut it off).
DISCARD = 16
#: The demuxer knows that bytes of the packet are missing.
CORRUPT = 32
#: Files with up to this many bytes of packets are kept in memory, not read twice.
_KEPT_BYTES = 16 << 20
#: Codecs with headers that show which pictures may be predicted from later ones.
_TELL_BACKWARD = frozenset({"h264", "mpeg1video", "mpeg2video", "mpeg4"})

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PacketTable:
    """One row per packet that is not empty, in file order; the row number is the packet's ordinal.

    `pts`, `dts` and `duration` are in the stream's time base, NO_TIME or 0 if absent. `pos` is the offset in the file or -1.
    `flags` are the flags of bitstream, DISCARD and CORRUPT. `error` is the error that stopped the demuxer, or "". `joins` are
    the decode times at which the clock of the file restarts or jumps. `readable` says whether the picture headers show what
    decoding needs, `timed` whether the container has presentation times, `reorders` whether the decoder expects decoding order
    to differ from display order, and `tells_backward` whether the flag BACKWARD is known.
    """

    pts: Int64s
    dts: Int64s
    pos: Int64s
    size: npt.NDArray[np.int32]
    duration: npt.NDArray[np.int32]
    flags: npt.NDArray[np.uint8]
    error: str
    joins: tuple[int, ...] = ()
    readable: bool = True
    timed: bool = True
    reorders: bool = True
    tells_backward: bool = False

    def __len__(self) -> int:
        return len(self.pts)

    @cached_property
    def entries(self) -> Int64s:
        """The ordinals where decoding may start: the first packet, and every random access point."""
        marked = np.flatnonzero(self.flags & ENTRY)
        return marked if len(marked) and marked[0] == 0 else np.concatenate([[0], marked]).astype(np.int64)

    @cached_property
    def reference(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.flags & REFERENCE, np.bool_)

    @cached_property
    def references_before(self) -> Int64s:
        """The number of reference packets before each ordinal; one longer than the table."""
        return np.concatenate([[0], np.cumsum(self.reference)]).astype(np.int64)

    @cached_property
    def _on_screen(self) -> npt.NDArray[np.bool_]:
        return np.asarray(((self.flags & (VISIBLE | DISCARD)) == VISIBLE) & (self.pts != NO_TIME), np.bool_)

    @cached_property
    def shown(self) -> Int64s:
        """The ordinals of the packets that become frames on screen, in the order of their times."""
        ordinals = np.flatnonzero(self._on_screen)
        return ordinals[np.argsort(self.pts[ordinals], kind="stable")]

    @cached_property
    def shown_pts(self) -> Int64s:
        """The time stamps of `shown`, ascending."""
        return self.pts[self.shown]

    @property
    def has_leading(self) -> bool:
        """Whether a picture is shown before the random access point that precedes it in the file (open groups of pictures)."""
        group = np.searchsorted(self.entries, self.shown, side="right") - 1
        return bool(np.any((self.shown_pts < self.pts[self.entries[group]]) & (group > 0)))

    @property
    def is_plannable(self) -> bool:
        """Whether the table alone says which frame is on screen when, and what its decoding needs.

        Every packet has its own time, the times agree with the display order, and the decoder needs no new parameters in
        mid-stream.
        """
        if not self.readable or (self.reorders and not self.timed) or bool(np.any(self.flags & CHANGES)):
            return False
        timed = bool(np.all((self.pts != NO_TIME) | ((self.flags & DISCARD) != 0)))
        return timed and len(self.shown) > 0 and bool(np.all(np.diff(self.shown_pts) > 0)) and self._in_order

    @property
    def _in_order(self) -> bool:
        """Whether presentation times can be right: none is before its decode time, and decode times never go back. A picture
        predicted from later ones must come before some picture decoded earlier, and no other picture may.

        MP4 without composition offsets and AVI give decode times as presentation times: times that rise from packet to packet
        although the pictures are reordered.
        """
        timed = self.pts != NO_TIME
        pts, dts = self.pts[timed], self.dts[timed]
        known = dts != NO_TIME
        if np.any((pts < dts) & known) or np.any(np.diff(dts[known]) < 0):
            return False
        rises = np.ones(len(pts), np.bool_)
        rises[1:] = pts[1:] > np.maximum.accumulate(pts)[:-1]
        if not self.tells_backward:
            return bool(np.all(rises)) is not self.reorders
        backward = (self.flags[timed] & BACKWARD) != 0
        if np.all(rises):
            return not (self.reorders and np.any(backward))
        after = int(np.argmin(backward)) + 1  # a recording may begin with pictures that lack their references
        return bool(np.all(rises[after:] != backward[after:]))


def read_table(source: OpenSource, limits: Limits, kept: "list[Packet[VideoStream]] | None" = None) -> PacketTable:
    """Demux the whole file. Raises SourceError(LIMIT_EXCEEDED) for more than `limits.packets` packets.

    If the file is small enough to be held, its packets are added to `kept`; otherwise none are.
    """
    pts, dts, pos = array("q"), array("q"), array("q")
    size, duration, flags = array("i"), array("i"), bytearray()
    context = source.stream.codec_context
    read = bitstream.reader(source.codec, context.extradata, intra_only=context.codec.intra_only)
    look = read or _trusting
    most, error = limits.packets, ""
    room = _KEPT_BYTES if kept is not None else 0
    feed = source.packets()
    try:
        for packet in feed:
            length = packet.size
            if not length:  # the flush packet at the end, or a repeat of the previous frame
                continue
            flag = look(memoryview(packet), packet.is_keyframe)
            if packet.is_discard:
                flag |= DISCARD
            if packet.is_corrupt:
                flag |= CORRUPT
            if any(data.data_type == "new_extradata" for data in packet.iter_sidedata()):
                flag |= CHANGES
            time = packet.pts
            pts.append(NO_TIME if time is None else time)
            time = packet.dts
            dts.append(NO_TIME if time is None else time)
            place = packet.pos
            pos.append(-1 if place is None else place)
            size.append(length)
            duration.append(min(packet.duration or 0, 2**31 - 1))
            flags.append(flag)
            if kept is not None and room:
                room = max(room - length, 0)
                kept.append(packet)
                if not room:
                    kept.clear()
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
        tuple(feed.joins),
        readable=read is not None,
        timed=source.has_times,
        reorders=bool(context.has_b_frames) and source.codec in {"hevc", *_TELL_BACKWARD},
        tells_backward=source.codec in _TELL_BACKWARD,
    )


def _trusting(data: memoryview, key: bool) -> int:
    """The flags of a picture if its headers cannot be read: the container's key flag is trusted."""
    return REFERENCE | VISIBLE | ENTRY if key else REFERENCE | VISIBLE


def _column(values: "array[int]", kind: Any) -> Any:
    return np.frombuffer(values, kind) if values else np.empty(0, kind)
