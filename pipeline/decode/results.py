"""What decoding returns, and the one error it raises for a file that cannot be used at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from longtake.schemas.reasons import Reason
from longtake.schemas.records import SourceInfo


class SourceError(Exception):
    """The whole file cannot be used.

    `reason` is one of MISSING, EMPTY_FILE, UNREADABLE, NO_VIDEO_STREAM, NO_FRAMES, HDR and LIMIT_EXCEEDED; `detail` says
    more.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)  # both as args, so that it survives pickling between processes
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


class ContainerError(SourceError):
    """The container cannot be read, or seems to hold nothing: a remux may help."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: the time it goes on screen, in ms from the start of the source, and its picture.

    Where one frame serves several wanted times, all of them get the same object.
    """

    pts_ms: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class FrameFault:
    """Why there is no frame for a wanted time: `reason` is FRAMES_DAMAGED, FRAMES_PAST_END or SHAPE_CHANGED."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class SourceNote:
    """Something about a source that was read otherwise than its header says, or that had to be chosen."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The frames of one source at the wanted times.

    `size` is (height, width) of every JPEG in pixels. `frames` is aligned with the wanted times. `decoded` is how many
    coded pictures were given to the decoder. `seconds` has the clock time spent per phase: index (opening the file and
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
    """Facts of a source without its frames.

    `source.duration_ms` is 0 where it is unknown. `exact` says that it was measured over all packets, as against
    believed from the header. `audio_ms` is when the sound starts and ends, from the headers of the audio streams; None: there
    is none.
    """

    source: SourceInfo
    exact: bool
    audio_ms: tuple[int, int] | None = None

    def end_ms(self, hold_last: bool) -> int:
        """Until when there is a picture; 0 where that is unknown. `hold_last`: the last one stays as long as there is sound."""
        end = self.source.duration_ms
        return max(end, self.audio_ms[1]) if end and hold_last and self.audio_ms else end
