"""The sound of a source video as 16 kHz mono, a piece at a time, so that memory does not grow with the length of the video."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler

from longtake.pipeline.decode import SourceError
from longtake.pipeline.decode.clock import NO_TIME, PacketClock
from longtake.pipeline.decode.sound import audio_span
from longtake.pipeline.decode.source import DISCONTINUOUS, open_container
from longtake.schemas.config import Limits
from longtake.schemas.reasons import Reason

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

Samples = npt.NDArray[np.float32]
RATE = 16_000  # samples in a second, as Whisper hears them
#: Most sound that the model gets at once. Its VAD and the spectrum of half an hour take up to 1.4 GB.
PIECE_S = 1800
_CUT_S = 60  # a piece ends at the quietest moment of its last minute
_QUIET = RATE // 2
_GAP_S = 0.25  # a longer hole in the sound is filled with silence, so that later words keep their times
_GROUP = 500_000  # samples that are resampled at a time, as faster-whisper does: the same samples come out


@dataclass(frozen=True, slots=True)
class SoundPiece:
    """A part of the sound. `start_s` is its start in seconds from the start of the source; `samples` are [n], from -1 to 1."""

    start_s: float
    samples: Samples


def sound_ms(file: str | io.IOBase) -> int | None:
    """The length of the sound in ms by the headers; None if the file has no sound. Raises ContainerError."""
    with open_container(file) as container:
        if _stream(container) is None:
            return None
        start, end = audio_span(container, max((container.duration or 0) // 1000, 0)) or (0, 0)
        return end - start


def sound_pieces(path: str, limits: Limits, seconds: float = PIECE_S) -> Iterator[SoundPiece]:
    """Yield the sound of a local file in pieces of at most `seconds`; nothing if it has no sound.

    Raises SourceError: ContainerError for a file that does not open, LIMIT_EXCEEDED for one that is too long or has too many
    streams, UNREADABLE if not one sample can be decoded.
    """
    with open_container(path) as container:
        if len(container.streams) > limits.streams:
            detail = f"{len(container.streams)} streams; the limit is {limits.streams}"
            raise SourceError(Reason.LIMIT_EXCEEDED, detail)
        stream = _stream(container)
        if stream is None:
            return
        yield from _pieces(_Sound(container, stream), round(seconds * RATE), limits)


def _stream(container: "InputContainer") -> "AudioStream | None":
    """The audio stream that players take: the default one, else the first."""
    streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
    chosen = [stream for stream in streams if stream.disposition & av.stream.Disposition.default]
    return next(iter(chosen or streams), None)


def _pieces(sound: "_Sound", most: int, limits: Limits) -> Iterator[SoundPiece]:
    held: list[Samples] = []
    size = done = 0
    for samples in sound:
        held.append(samples)
        size += len(samples)
        if (done + size) * 1000 > limits.duration_ms * RATE:
            detail = f"more than {limits.duration_ms} ms of sound; that is the limit"
            raise SourceError(Reason.LIMIT_EXCEEDED, detail)
        while size > most:
            whole = np.concatenate(held)
            cut = _quietest(whole[:most])
            yield SoundPiece(sound.start_s + done / RATE, whole[:cut])
            held, size, done = [whole[cut:]], size - cut, done + cut
    if not done and not size:
        raise SourceError(Reason.UNREADABLE, sound.error or "no sound can be decoded")
    if size:
        yield SoundPiece(sound.start_s + done / RATE, np.concatenate(held))


def _quietest(samples: Samples) -> int:
    """The middle of the quietest half second near the end of a piece."""
    tail = samples[-min(len(samples) // 2, _CUT_S * RATE) :]
    if len(tail) < 2 * _QUIET:
        return len(samples)
    blocks = tail[: len(tail) // _QUIET * _QUIET].reshape(-1, _QUIET)
    return len(samples) - len(tail) + int(np.argmin(np.square(blocks).mean(1))) * _QUIET + _QUIET // 2


class _Sound:
    """Iterates over the samples of an audio stream. After the first ones, `start_s` is when they are heard; `error` is the last
    fault of the stream."""

    def __init__(self, container: "InputContainer", stream: "AudioStream") -> None:
        self._container, self._stream = container, stream
        base = stream.time_base
        self._clock = PacketClock(base, 0) if base is not None and container.format.flags & DISCONTINUOUS else None
        self.start_s = 0.0
        self.error = ""

    def __iter__(self) -> Iterator[Samples]:
        resampler, kind = _Resampler(), None
        heard_s: float | None = None  # where the sound so far ends
        for frame in self._frames():
            at_s = self._time(frame)
            if heard_s is None:
                self.start_s = heard_s = at_s or 0.0
            if kind != (kind := (frame.format.name, frame.layout.name, frame.sample_rate)):
                yield from resampler.rest()
                resampler = _Resampler()
            if at_s is not None and at_s - heard_s > _GAP_S:
                yield from resampler.rest()
                resampler = _Resampler()
                while at_s - heard_s > _GAP_S:
                    silent = min(at_s - heard_s, _CUT_S)
                    yield np.zeros(round(silent * RATE), np.float32)
                    heard_s += silent
            heard_s += frame.samples / frame.sample_rate
            yield from resampler.add(frame)
        yield from resampler.rest()

    def _frames(self) -> "Iterator[av.AudioFrame]":
        """Yield the frames that can be decoded; a damaged packet is skipped, and the end of a broken file ends the sound."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                self._set_clock(packet)
                yield from packet.decode()
            except MemoryError:
                raise
            except IndexError:  # PyAV 18: a stream that appears in the middle of the file
                continue
            except av.error.InvalidDataError as error:
                self.error = str(error)
            except (av.FFmpegError, OSError) as error:
                self.error = str(error)
                return

    def _set_clock(self, packet: "Packet[AudioStream]") -> None:
        """Put a packet of a file whose clock may restart on one timeline, as the packets of the picture are."""
        if self._clock is not None and packet.size:
            pts, dts = (NO_TIME if stamp is None else stamp for stamp in (packet.pts, packet.dts))
            pts, dts = self._clock.placed(pts, dts, packet.duration or 0)
            packet.pts, packet.dts = (None if stamp == NO_TIME else stamp for stamp in (pts, dts))

    def _time(self, frame: "av.AudioFrame") -> float | None:
        if frame.pts is None or frame.time_base is None:
            return None
        origin = Fraction(self._container.start_time or 0, 1_000_000)
        return max(0.0, float(frame.pts * frame.time_base - origin))


class _Resampler:
    """Makes samples of frames of one kind: a resampler takes no other."""

    def __init__(self) -> None:
        self._resampler, self._fifo = AudioResampler(format="s16", layout="mono", rate=RATE), AudioFifo()
        self._is_empty = True

    def add(self, frame: "av.AudioFrame") -> Iterator[Samples]:
        self._is_empty = False
        frame.pts = None  # the fifo and the resampler count for themselves
        self._fifo.write(frame)
        if self._fifo.samples >= _GROUP:
            yield from self._made(self._fifo.read())

    def rest(self) -> Iterator[Samples]:
        """Yield what is left, at the end."""
        if self._is_empty:
            return
        if self._fifo.samples:
            yield from self._made(self._fifo.read())
        yield from self._made(None)

    def _made(self, frame: "av.AudioFrame | None") -> Iterator[Samples]:
        for made in self._resampler.resample(frame):
            yield made.to_ndarray().reshape(-1).astype(np.float32) / 32768.0
