"""The planned pass: give the decoder the packets that the wanted frames need, and no others.

Nothing is trusted. Anything that differs from the packet table raises Unsound, and the caller then decodes the whole file.
"""

from collections.abc import Collection, Iterator

import av
from av.video.frame import VideoFrame

from longtake.pipeline.decode.choose import Segment, segments
from longtake.pipeline.decode.clock import NO_TIME
from longtake.pipeline.decode.cursor import Cursor
from longtake.pipeline.decode.table import CORRUPT, PacketTable


class Unsound(Exception):
    """The file does not behave as its packet table says."""


class PlannedPass:
    """One pass over the segments of a file. `decoded` counts the packets given to the decoder."""

    def __init__(self, cursor: Cursor, table: PacketTable) -> None:
        self._cursor, self._table = cursor, table
        self._shown = NO_TIME  # display time of the current segment's last frame
        self.decoded = 0

    def frames(self, wanted: Collection[int]) -> Iterator[tuple[int, VideoFrame]]:
        """Yield (ordinal, frame) for each wanted ordinal, once, in the order of the decoder.

        Raises Unsound if anything differs from the table.
        """
        for segment in segments(self._table, wanted):
            try:
                yield from self._play(segment, wanted)
            except MemoryError:
                raise
            except (av.FFmpegError, OSError) as error:
                raise Unsound(str(error)) from None

    def _play(self, segment: Segment, wanted: Collection[int]) -> Iterator[tuple[int, VideoFrame]]:
        table = self._table
        referenced = table.reference[segment.start : segment.stop + 1].tolist()
        sent = [o for o, needed in enumerate(referenced, segment.start) if needed or o in wanted]
        if (table.flags[sent] & CORRUPT).any():
            raise Unsound("a packet has bytes missing")
        foretold = dict(zip(table.pts[sent].tolist(), sent, strict=True))
        missing = {o for o in sent if o in wanted}
        self._shown = NO_TIME
        self._cursor.go_to(segment.start)
        context = self._cursor.context
        context.flush_buffers()
        decode = context.decode
        rows = zip(sent, table.pts[sent].tolist(), table.size[sent].tolist(), strict=True)
        due, pts, size = next(rows)
        for ordinal, packet in self._cursor.packets():
            if ordinal != due:
                continue
            if packet.size != size or packet.pts != (None if pts == NO_TIME else pts):
                raise Unsound(f"packet {ordinal} is not the same when read again")
            self.decoded += 1
            for frame in decode(packet):
                yield from self._check(frame, foretold, missing)
            if ordinal == segment.stop:
                break
            due, pts, size = next(rows)
        for frame in decode(None):
            yield from self._check(frame, foretold, missing)
        if missing:
            raise Unsound(f"{len(missing)} frames did not come out")

    def _check(
        self, frame: VideoFrame, foretold: dict[int, int], missing: set[int]
    ) -> Iterator[tuple[int, VideoFrame]]:
        ordinal = None if frame.pts is None else foretold.get(frame.pts)
        if ordinal is None or frame.pts is None:
            raise Unsound(f"a frame came out at {frame.pts} that no packet foretold")
        if frame.is_corrupt:
            raise Unsound(f"packet {ordinal} is damaged")
        if frame.pts <= self._shown:
            raise Unsound(f"packet {ordinal} is shown after one that its time says comes later")
        self._shown = frame.pts
        if ordinal in missing:
            missing.discard(ordinal)
            yield ordinal, frame
