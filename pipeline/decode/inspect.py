"""Facts about a file without its pixels: its kind, its duration, and the cost of its frames."""

import io
from collections.abc import Sequence

import av

from longtake.pipeline.decode.geometry import Orientation, orientation_of
from longtake.pipeline.decode.pyav_backend import measured_info, planned_cost
from longtake.pipeline.decode.repair import with_repair
from longtake.pipeline.decode.results import ContainerError, Probe
from longtake.pipeline.decode.sound import audio_span
from longtake.pipeline.decode.source import OpenSource, check_duration, open_source, source_info
from longtake.pipeline.decode.table import PacketTable, read_table
from longtake.schemas.config import Frames, Limits
from longtake.schemas.reasons import Reason

_FIRST_FRAME = 32  # most packets to decode to see how the first frame is turned


def probe(path: str, limits: Limits, *, packets: bool = False) -> Probe:
    """Read the facts of a file from its header, or from its packet table if `packets` is set or the header has no duration.

    Nothing is decoded, so width and height are before rotation, which only frames show. Raises SourceError.
    """
    return with_repair(path, limits, lambda usable: _probe(usable, limits, packets))


def probe_header(stream: io.IOBase, limits: Limits) -> Probe | None:
    """As `probe`, from the header of a seekable stream. None if the whole file is needed, because the header has no duration or
    the container is broken. Raises SourceError, and the errors of reading the stream."""
    try:
        with open_source(stream, limits) as source:
            return _header(source)
    except ContainerError:
        return None


def _header(source: OpenSource) -> Probe | None:
    if not source.header_ms:
        return None
    info = source_info(source, Orientation(), source.header_ms)
    return Probe(info, exact=False, audio_ms=audio_span(source.container, info.duration_ms))


def _probe(path: str, limits: Limits, packets: bool) -> Probe:
    with open_source(path, limits) as source:
        found = None if packets else _header(source)
        if found is not None:
            return found
        info = measured_info(source, _table(source, limits), Orientation())
        check_duration(info.duration_ms, limits)
        return Probe(info, exact=True, audio_ms=audio_span(source.container, max(info.duration_ms, source.header_ms)))


def decode_cost(path: str, times_ms: Sequence[int], frames: Frames, limits: Limits) -> int:
    """Count the packets that decode_frames will decode for these times, from the packet table alone.

    Args:
        path: a local file.
        times_ms: times in ms from the start of the source.
        frames: as for decode_frames; the decoder is "pyav".
        limits: bounds against hostile files.

    Returns:
        The number of packets: exact if the table can be trusted, otherwise the most it may take.

    Raises:
        SourceError: the file cannot be used.
    """

    def measure(usable: str) -> int:
        with open_source(usable, limits) as source:
            return planned_cost(source, _table(source, limits), times_ms, frames)

    return with_repair(path, limits, measure)


def _table(source: OpenSource, limits: Limits) -> PacketTable:
    table = read_table(source, limits)
    if not len(table):
        raise ContainerError(Reason.NO_FRAMES, table.error or "the video stream is empty")
    return table


def first_orientation(path: str, limits: Limits) -> Orientation:
    """The orientation of the first frame that decodes, because only frames show it."""
    with open_source(path, limits) as source:
        try:
            for count, packet in enumerate(source.packets()):
                for frame in source.stream.codec_context.decode(packet if packet.size else None):
                    return orientation_of(frame) or Orientation()
                if count >= _FIRST_FRAME or not packet.size:
                    break
        except MemoryError:
            raise
        except (av.FFmpegError, OSError):
            pass
    return Orientation()
