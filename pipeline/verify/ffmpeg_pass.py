"""One full pass over a source video by the ffmpeg command line. It shares neither the decoder nor the clock of a build."""

import queue
import re
import subprocess
import threading
from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from longtake.pipeline.decode.source import FORMATS
from longtake.schemas.config import Limits

Picture = npt.NDArray[np.uint8]  # (height, width, 3), RGB

_TOLD = r"^\[Parsed_showinfo_0 @ \w+\] \[info\] "
_FRAME = re.compile(
    _TOLD + r"n: *\d+ pts: *(?P<pts>\S+) .*?\bsar:(?P<across>\d+)/(?P<down>\d+) s:(?P<width>\d+)x(?P<height>\d+)"
)
_COLOR = re.compile(
    _TOLD + r"color_range:\S+ color_space:\S+ color_primaries:(?P<primaries>\S+) color_trc:(?P<transfer>\S+)"
)
_SAID = re.compile(
    _TOLD + r"config in time_base: (?P<base>\d+/\d+)"
    r"|^\[info\] Input #0, (?P<format>.*), from '"
    r"|^\[info\]   Duration: .* start: (?P<start>-?[\d.]+)"
    r"|^\[.*Correcting start time of Input #0 by (?P<moved>-?[\d.e+-]+) ?(?P<unit>us|s)\b"
    r"|^\[info\]   Stream #0:(?P<taken>\d+) -> #0:0 \("
    r"|^\[.*timestamp (?P<joined>discontinuity)"
    r"|^\[.*(?P<odd>Odd rotation angle)"
)
_INPUT = re.compile(
    r"^\[info\]   Stream #0:(?P<index>\d+)\b.*?: (?P<kind>Video|Audio|Subtitle|Data): (?P<codec>\w+)(?P<rest>.*)"
)
_COMPLAINT = re.compile(r"(?:^|\] )\[(?:error|fatal|panic)\] (.*)|\[warning\] (corrupt decoded frame.*)")
_OF_OUTPUT = re.compile(r"^\[(?:rawvideo|out#|vost#|Parsed_)")
_UNCLOCKED = {"avi", "h264", "hevc", "m4v", "mpegvideo"}  # their times are made up: 0:00 may also be the first frame


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A frame in display order: its time in ms from the container's start, and its shape (width over height) on display.

    `ms` never falls: when a clock steps back, the screen does not.
    """

    number: int
    ms: float
    shape: float
    picture: Picture


class FfmpegPass:
    """Iterates over all frames of a local file, turned, mirrored and cropped as the file says. Then it has ffmpeg's messages.

    Args:
        binary: the ffmpeg to run.
        path: a local file. No other file and no address is opened.
        size: (width, height) of the pictures; a frame of another shape gets black bars.
        seconds: the wall-clock time after which ffmpeg is stopped and `timed_out` is true.
        stream: the index of a stream; None: the one that ffmpeg takes.
    """

    def __init__(
        self, binary: str, path: str, size: tuple[int, int], limits: Limits, seconds: float, stream: int | None = None
    ) -> None:
        self._size, self._said = size, dict[str, str]()
        self._frames: queue.Queue[tuple[float, float] | None] = queue.Queue()
        self._others: set[str] = set()  # codecs that are not decoded
        self.videos: dict[
            int, bool
        ] = {}  # index of each video stream, and whether it is a still picture such as a cover
        self.complaints: list[tuple[int, str]] = []  # (frames shown before, message)
        self.timed_out = False
        self.primaries = self.transfer = "unknown"
        self._process = subprocess.Popen(
            _command(binary, path, size, limits, stream),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._alarm = threading.Timer(seconds, self._stop)
        self._listener.start()
        self._alarm.start()

    @property
    def joined(self) -> bool:
        """Whether the clock jumped, and ffmpeg continued from the time before the jump."""
        return "joined" in self._said

    @property
    def has_clock(self) -> bool:
        """Whether the container has display times."""
        return "start" in self._said and not _UNCLOCKED & set(self._said.get("format", "").split(","))

    @property
    def odd_angle(self) -> bool:
        """Whether the file asks for a rotation that is no multiple of 90 degrees."""
        return "odd" in self._said

    @property
    def stream(self) -> int:
        """The index of the decoded stream; -1 if there is none."""
        return int(self._said.get("taken", -1))

    def __iter__(self) -> Generator[ShownFrame]:
        width, height = self._size
        pipe, length, number, latest = self._process.stdout, width * height * 3, 0, float("-inf")
        if pipe is None:
            raise ValueError("no pipe")
        try:
            while len(data := pipe.read(length)) == length and (told := self._frames.get()):
                latest = max(latest, told[0])
                picture = np.frombuffer(data, np.uint8).reshape(height, width, 3)
                yield ShownFrame(number, latest, told[1], picture)
                number += 1
        finally:
            self._alarm.cancel()
            self._process.kill()
            self._listener.join()
            pipe.close()
            self._process.wait()

    def _stop(self) -> None:
        self.timed_out = True
        self._process.kill()

    def _listen(self) -> None:
        shown, is_output = 0, False
        for raw in self._process.stderr or ():
            line = raw.decode("utf-8", "replace").rstrip()
            is_output = is_output or line.startswith("[info] Output #0")
            if frame := _FRAME.search(line):
                self._frames.put(self._frame(frame))
                shown += 1
            elif color := _COLOR.search(line):
                self.primaries, self.transfer = color["primaries"], color["transfer"]
            elif found := _SAID.search(line):
                self._said |= {name: value for name, value in found.groupdict().items() if value}
            elif not is_output and (stream := _INPUT.search(line)):
                self._note_stream(stream)
            elif (complaint := _COMPLAINT.search(line)) and self._is_ours(line):
                self.complaints.append((shown, complaint[1] or complaint[2]))
        self._frames.put(None)

    def _note_stream(self, stream: re.Match[str]) -> None:
        if stream["kind"] == "Video":
            rest = stream["rest"]
            self.videos[int(stream["index"])] = "(attached pic)" in rest or "(timed thumbnails)" in rest
        else:
            self._others.add(stream["codec"])

    def _is_ours(self, line: str) -> bool:
        about = re.match(r"\[(\w+) @ ", line)
        return not _OF_OUTPUT.match(line) and (about is None or about[1] not in self._others)

    def _frame(self, found: re.Match[str]) -> tuple[float, float]:
        """The time of a frame, -inf if it has none, and its shape."""
        across, down = int(found["across"]), int(found["down"])
        pixel = Fraction(across, down) if across and down else Fraction(1)
        shape = float(pixel * int(found["width"]) / max(int(found["height"]), 1))
        if found["pts"] == "NOPTS":
            return float("-inf"), shape
        base, start = Fraction(self._said["base"]), Fraction(self._said.get("start", 0))
        moved = Fraction(self._said.get("moved", 0)) / (1_000_000 if self._said.get("unit") == "us" else 1)
        shift = round((start + moved) / base)  # ffmpeg subtracted it, rounded to the clock of the stream
        return float(((int(found["pts"]) + shift) * base - start) * 1000), shape


def _command(binary: str, path: str, size: tuple[int, int], limits: Limits, stream: int | None) -> list[str]:
    width, height = size
    across = f"if(lt(abs({height}*dar-{width}),2),{width},min({width},round({height}*dar)))"
    down = f"if(lt(abs({width}/dar-{height}),2),{height},min({height},round({width}/dar)))"
    filters = (
        f"showinfo=checksum=0,scale=w='{across}':h='{down}':flags=bicubic+accurate_rnd+full_chroma_int,"
        f"format=rgb24,pad={width}:{height}:(ow-iw)/2:(oh-ih)/2"
    )
    return [
        binary, "-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+verbose",
        "-protocol_whitelist", "file", "-format_whitelist", FORMATS,
        "-threads", "1", "-max_pixels", str(limits.pixels), "-i", f"file:{path}",
        *(["-map", f"0:{stream}"] if stream is not None else []), "-an", "-sn", "-dn",
        "-fps_mode", "passthrough", "-vf", filters, "-f", "rawvideo", "-",
    ]  # fmt: skip
