"""How loud a span of a source is over its time, for a picture of its sound."""

from fractions import Fraction

import av
import numpy as np
from av.audio.resampler import AudioResampler

from longtake.pipeline.decode.results import SourceError
from longtake.pipeline.decode.source import open_container
from longtake.schemas.config import Limits
from longtake.schemas.reasons import Reason

LOUDEST = 100


def peaks(path: str, start_ms: int, end_ms: int, number: int, limits: Limits) -> list[int]:
    """The loudest sample, from 0 to LOUDEST, of each of `number` equal parts of a span; empty if the source has no sound.

    Args:
        path: a local file.
        start_ms, end_ms: the span, in ms from the start of the source.
        number: how many parts.
        limits: of the configuration; they bound the streams and packets that are read.

    Raises SourceError.
    """
    found = np.zeros(number, np.int32)
    with open_container(path) as container:
        if len(container.streams) > limits.streams:
            raise SourceError(Reason.LIMIT_EXCEEDED, f"{len(container.streams)} streams; the limit is {limits.streams}")
        stream = next((one for one in container.streams.audio if one.codec_context is not None), None)
        if stream is None or end_ms <= start_ms:
            return []
        origin = Fraction(container.start_time or 0, 1_000_000)
        resampler = AudioResampler(format="s16", layout="mono")
        scale = number / (end_ms - start_ms)
        try:
            container.seek(round((Fraction(start_ms, 1000) + origin) * 1_000_000))
            for count, frame in enumerate(container.decode(stream)):
                if frame.pts is None or frame.time_base is None or not frame.samples:
                    continue
                at_ms = float(1000 * (frame.pts * frame.time_base - origin))
                if at_ms >= end_ms or count > limits.packets:
                    break
                for piece in resampler.resample(frame):
                    samples = np.abs(piece.to_ndarray().reshape(-1).astype(np.int32))
                    times = at_ms + np.arange(len(samples)) * (1000 / piece.sample_rate)
                    part = ((times - start_ms) * scale).astype(np.int64)
                    inside = (times >= start_ms) & (part < number)
                    np.maximum.at(found, part[inside], samples[inside])
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceError(Reason.UNREADABLE, f"{type(error).__name__}: {error}"[:300]) from None
    return [int(one) for one in (found * LOUDEST + 32767) // 32768]
