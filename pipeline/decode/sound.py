"""The times of sound: from the headers of the audio streams, or from their packets."""

from fractions import Fraction

import av
from av.container import InputContainer
from av.stream import Discard

from longtake.pipeline.decode.source import open_container
from longtake.schemas.config import Limits


def audio_span(container: InputContainer, duration_ms: int) -> tuple[int, int] | None:
    """The start and end of sound, in ms from the start of the source: the span of the longest audio stream.

    The times come from the headers of the streams. A header without times, as in Matroska, counts as the whole file.
    """
    spans = []
    for stream in container.streams.audio:
        base, origin = stream.time_base, Fraction(container.start_time or 0, 1_000_000)
        if base is None or not stream.duration:
            spans.append((0, duration_ms))
            continue
        start = (stream.start_time or 0) * base - origin
        spans.append((max(0, round(1000 * start)), max(0, round(1000 * (start + stream.duration * base)))))
    return max(spans, key=lambda span: span[1] - span[0], default=None)


def audio_end_ms(path: str, limits: Limits) -> int:
    """The end of the last sound of a file, in ms from the start of the source, by its packets; 0 if there is none."""
    with open_container(path) as container:
        origin = Fraction(container.start_time or 0, 1_000_000)
        streams = [s for s in container.streams.audio if s.time_base is not None]
        if not streams:
            return 0
        for other in container.streams:
            if other.index not in {s.index for s in streams}:
                other.discard = Discard.all
        end = origin
        try:
            for count, packet in enumerate(container.demux(*streams)):
                if count > limits.packets:
                    break
                if packet.size and packet.pts is not None and packet.time_base is not None:
                    end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
        except MemoryError:
            raise
        except (av.FFmpegError, OSError, IndexError):
            pass  # the packets read so far count
        return round(1000 * (end - origin))
