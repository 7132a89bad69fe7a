"""Move in the packets of a file while knowing the ordinal of the next packet."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

import av
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from longtake.pipeline.decode.clock import NO_TIME
from longtake.pipeline.decode.source import OpenSource, PacketFeed
from longtake.pipeline.decode.table import PacketTable

#: From this many bytes on, a seek is cheaper than reading on.
FAR = 8 << 20
#: Demuxers that seek exactly to a key frame and give the same packets afterwards.
_SEEKABLE = frozenset({"mov", "matroska", "webm"})

Packets = Iterator["Packet[VideoStream]"]  # a string: av.Packet takes no parameter at run time


class Cursor:
    """A position in a file. Demuxing is deterministic, so counting packets identifies them. A seek is trusted only if the
    packet it lands on is in the table.

    `kept` has all packets of a file that is small enough, else none. `reopen` gives a fresh source at the first packet.
    """

    def __init__(
        self,
        source: OpenSource,
        table: PacketTable,
        reopen: Callable[[], OpenSource],
        kept: "Sequence[Packet[VideoStream]]" = (),
    ) -> None:
        self._source, self._table, self._reopen, self._kept = source, table, reopen, kept
        self._seekable = not _SEEKABLE.isdisjoint(source.container.format.name.split(","))
        self._packets: Packets | None = None  # None: `source` has been read to its end
        self._next = 0

    @property
    def context(self) -> VideoCodecContext:
        """The decoder at the cursor's position; `go_to` may replace it."""
        return self._source.stream.codec_context

    def go_to(self, ordinal: int) -> None:
        """Move to `ordinal`, or stay before it if reading on is cheaper than a seek."""
        if self._kept:
            self._packets, self._next = islice(self._kept, ordinal, None), ordinal
            return
        if self._packets is not None and self._next <= ordinal:
            here, there = self._table.pos[[self._next, ordinal]]
            if there - here < FAR or not self._seekable:
                return
        if self._seekable and self._seek(ordinal):
            return
        self._seekable = False
        self._source = self._reopen()
        self._packets, self._next = self._source.packets(), 0

    def _seek(self, ordinal: int) -> bool:
        pts, dts = int(self._table.pts[ordinal]), int(self._table.dts[ordinal])
        target = min((t for t in (pts, dts) if t != NO_TIME), default=0)
        container, stream = self._source.container, self._source.stream
        try:
            container.seek(target, stream=stream, backward=True)
            left = PacketFeed(container, stream)
            first = next((p for p in left if p.size), None)
        except MemoryError:
            raise
        except (av.FFmpegError, OSError):
            return False
        if first is None:
            return False
        table = self._table
        same = (table.pts == first.pts) & (table.size == first.size) & (table.pos == first.pos)
        found = np.flatnonzero(same)
        if len(found) != 1 or found[0] > ordinal:
            return False
        self._packets, self._next = chain([first], left), int(found[0])
        return True

    def packets(self) -> Iterator[tuple[int, "Packet[VideoStream]"]]:
        """Yield (ordinal, packet) from the current position. A caller that stops leaves the cursor after the last packet
        taken."""
        assert self._packets is not None, "go_to comes first"  # noqa: S101
        for packet in self._packets:
            if packet.size:
                self._next += 1
                yield self._next - 1, packet
