"""The results of decoding, and the one error for a file that cannot be used at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from longtake.schemas.reasons import Reason
from longtake.schemas.records import SourceInfo


class SourceError(Exception):
    """The whole file cannot be used.

    Decoding raises it with `reason` MISSING, EMPTY_FILE, UNREADABLE, NO_VIDEO_STREAM, NO_FRAMES, HDR or LIMIT_EXCEEDED.
    `detail` says more.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)  # both as args, so that it can be pickled between processes
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


class ContainerError(SourceError):
    """The container cannot be read, or seems empty: a remux may help."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its display time, in ms from the start of the source, and its picture.

    Wanted times with the same frame get the same object.
    """

    pts_ms: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class FrameFault:
    """The reason why a wanted time has no frame: `reason` is FRAMES_DAMAGED, FRAMES_PAST_END or SHAPE_CHANGED."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class SourceNote:
    """A note on a source video: something was read differently from its header, or had to be chosen."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The frames of one source video at the wanted times.

    `size` is (height, width) of every JPEG in pixels. `frames` has one entry for each wanted time, in the same order. `decoded`
    is the number of coded pictures given to the decoder. `seconds` is the clock time of each phase: index (opening the file and
    reading its packet table), decode, scale, encode. `notes` are for the ledger.
    """

    source: SourceInfo
    size: tuple[int, int]
    frames: tuple[Frame | FrameFault, ...]
    decoded: int
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)
    notes: tuple[SourceNote, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """Facts of a source video without its frames.

    `source.duration_ms` is 0 if unknown. `exact` means that it was measured over all packets, not taken from the header.
    `audio_ms` is the start and end of the sound, from the headers of the audio streams; None if there is no sound.
    """

    source: SourceInfo
    exact: bool
    audio_ms: tuple[int, int] | None = None

    def end_ms(self, hold_last: bool) -> int:
        """The end of the pictures; 0 if unknown. With `hold_last`, the last frame stays as long as there is sound."""
        end = self.source.duration_ms
        return max(end, self.audio_ms[1]) if end and hold_last and self.audio_ms else end
