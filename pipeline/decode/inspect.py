"""Facts of a file without its pixels: what it is, how long, and what its frames would cost."""

import io
from collections.abc import Sequence
from fractions import Fraction

import av

from longtake.pipeline.decode.picture import quarter_turns
from longtake.pipeline.decode.pyav_backend import measured_info, planned_cost
from longtake.pipeline.decode.repair import with_repair
from longtake.pipeline.decode.results import ContainerError, Probe
from longtake.pipeline.decode.source import Source, check_duration, open_source, packets
from longtake.pipeline.decode.table import PacketTable, read_table
from longtake.schemas.config import Frames, Limits
from longtake.schemas.reasons import Reason
from longtake.schemas.records import SourceInfo

_FIRST_FRAME = 32  # packets decoded at most to see how the first frame is turned


def probe(path: str, limits: Limits, *, packets: bool = False) -> Probe:
    """What the file is, from its header, or from its packet table where `packets` is set or the header has no duration.

    Nothing is decoded, so width and height are those before a rotation, which only frames tell. Raises SourceError.
    """
    return with_repair(path, limits, lambda usable: _probe(usable, limits, packets))


def probe_header(stream: io.IOBase, limits: Limits) -> Probe | None:
    """As `probe`, from what is read of a seekable stream; None where the whole file is needed: the header has no duration, or the
    container is broken. Raises SourceError, and what reading the stream raises."""
    try:
        with open_source(stream, limits) as source:
            return _header(source)
    except ContainerError:
        return None


def _header(source: Source) -> Probe | None:
    if not source.header_ms:
        return None
    info = SourceInfo(source.width, source.height, source.fps, source.codec, source.header_ms)
    return Probe(info, exact=False, audio_ms=audio_span(source, info.duration_ms))


def _probe(path: str, limits: Limits, packets: bool) -> Probe:
    with open_source(path, limits) as source:
        found = None if packets else _header(source)
        if found is not None:
            return found
        info = measured_info(source, _table(source, limits), turns=0)
        check_duration(info.duration_ms, limits)
        return Probe(info, exact=True, audio_ms=audio_span(source, info.duration_ms))


def audio_span(source: Source, duration_ms: int) -> tuple[int, int] | None:
    """When sound starts and ends, in ms from the start of the source: the span of the longest audio stream.

    From the headers of the streams. Where these have no times, as in Matroska, it is that of the whole file.
    """
    spans = []
    for stream in source.container.streams.audio:
        base, origin = stream.time_base, Fraction(source.container.start_time or 0, 1_000_000)
        if base is None or not stream.duration:
            spans.append((0, duration_ms))
            continue
        start = (stream.start_time or 0) * base - origin
        spans.append((max(0, round(1000 * start)), max(0, round(1000 * (start + stream.duration * base)))))
    return max(spans, key=lambda span: span[1] - span[0], default=None)


def decode_cost(path: str, times_ms: Sequence[int], frames: Frames, limits: Limits) -> int:
    """How many packets decode_frames will decode for these times, from the packet table alone.

    Exact for sound files, with decoder "pyav". Raises SourceError.
    """

    def measure(usable: str) -> int:
        with open_source(usable, limits) as source:
            return planned_cost(source, _table(source, limits), times_ms, frames)

    return with_repair(path, limits, measure)


def _table(source: Source, limits: Limits) -> PacketTable:
    table = read_table(source, limits)
    if not len(table):
        raise ContainerError(Reason.NO_FRAMES, table.error or "the video stream is empty")
    return table


def first_frame_turns(path: str, limits: Limits) -> int:
    """Quarter turns of the first frame that decodes; only frames tell."""
    with open_source(path, limits) as source:
        try:
            for count, packet in enumerate(packets(source.container, source.stream)):
                for frame in source.stream.codec_context.decode(packet if packet.size else None):
                    return quarter_turns(frame.rotation)
                if count >= _FIRST_FRAME or not packet.size:
                    break
        except MemoryError:
            raise
        except (av.FFmpegError, OSError):
            pass
    return 0
