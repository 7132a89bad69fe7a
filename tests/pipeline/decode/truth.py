"""The truth about a file: what the ffmpeg command line shows in one full pass. Shares neither code nor library with the product.

A frame is known by its number in the order of output. Its time counts from the container's start. A clock that steps back does
not turn back what is on screen: the time of a frame is never before that of the frame before it.
"""

import io
import json
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.media import FFMPEG, derived

Picture = npt.NDArray[np.uint8]
#: Containers without presentation times: ffmpeg shows the first frame of some later than 0:00, a player does not.
_UNCLOCKED = {"avi", "h264", "hevc", "m4v", "mpegvideo"}
_TIMEOUT_S = 300
_FRAME = re.compile(r"\[Parsed_showinfo_0 @ .*?\bpts: *(\S+) .*?\bsar:(\d+)/(\d+) s:(\d+)x(\d+)")
_SAID = re.compile(
    r"config in time_base: (?P<base>\d+/\d+)"
    r"|^\[info\] Input #0, (?P<format>.*), from '"
    r"|^\[info\]   Duration: .* start: (?P<start>-?[\d.]+)"
    r"|Correcting start time of Input #0 by (?P<moved>-?[\d.e+-]+) ?(?P<unit>us|s)\b"
    r"|Stream #0:(?P<taken>\d+) -> #0:0 \("
    r"|^\[info\]   Stream #0:\d+.*?: (?:Audio|Subtitle|Data): (?P<other>\w+)"
    r"|timestamp (?P<joined>discontinuity)"
    r"|(?P<odd>Odd rotation angle)"
)
_DAMAGE = re.compile(r"(?:^|\] )\[(?:error|fatal|panic)\] (.*)|\[warning\] (corrupt decoded frame.*)")
_OUTPUT = re.compile(r"\[(rawvideo|null|out#|vost#|Parsed_)")


@dataclass(frozen=True)
class Shown:
    """A frame on screen: when (ms, exact), which one in the order of output, and the shape (width over height) on display."""

    ms: Fraction
    number: int
    shape: Fraction


@dataclass(frozen=True)
class Truth:
    """All frames, and what ffmpeg said.

    `damage` has the number of frames out before each complaint, and the complaint. `joined`: the clock jumped, and ffmpeg
    went on where it stood. `unclocked`: 0:00 may also be the first frame. `stream`: the index of the one it took.
    """

    shown: tuple[Shown, ...]
    damage: tuple[tuple[int, str], ...]
    joined: bool = False
    unclocked: bool = False
    odd_angle: bool = False
    stream: int = -1
    first: Fraction = field(default=Fraction(0), compare=False)

    @property
    def sound(self) -> bool:
        """Whether ffmpeg complained about nothing."""
        return not self.damage

    def at(self, time_ms: int) -> Shown:
        """The frame on screen: the last whose time, rounded, is not after `time_ms`."""
        before = [s for s in self.shown if s.ms <= time_ms + Fraction(1, 2)]
        return before[-1] if before else self.shown[0]

    def clocks(self) -> "tuple[Truth, ...]":
        """This truth, and where the container has no presentation times also the one with the first frame at 0:00."""
        return (self, self._from_first()) if self.unclocked and self.first > 0 else (self,)

    def _from_first(self) -> "Truth":
        moved = tuple(Shown(s.ms - self.first, s.number, s.shape) for s in self.shown)
        return Truth(moved, self.damage, self.joined, self.unclocked, self.odd_angle, self.stream)

    def near_damage(self, number: int, before: int = 40, after: int = 300) -> bool:
        """Whether a complaint is so near that a difference in this frame proves nothing."""
        return any(seen - before <= number <= seen + after for seen, _ in self.damage)


@cache
def truth(path: Path, stream: int | None = None) -> Truth:
    """The frames of a file by time, of the stream that ffmpeg takes or the one named. Kept between runs."""
    about = f"{_about(path)} times 1 {stream}"
    found = json.loads(derived(about, "truth.json", partial(_write, path, stream)).read_text())
    rows = enumerate(found.pop("rows"))
    shown = tuple(Shown(Fraction(ms), number, Fraction(shape)) for number, (ms, shape) in rows)
    found["damage"] = tuple((seen, text) for seen, text in found["damage"])
    return Truth(shown=shown, first=shown[0].ms if shown else Fraction(0), **found)


def _about(path: Path) -> str:
    found = path.stat()
    return f"{FFMPEG} {path}-{found.st_size}-{found.st_mtime_ns}"


def command(path: Path, stream: int | None, filters: str, *output: str) -> list[str]:
    """One pass over a file by the ffmpeg command line: turned as it says, every frame, all that it says on standard error."""
    chosen = ["-map", f"0:{stream}"] if stream is not None else []
    return [
        FFMPEG, "-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+verbose", "-threads", "1",
        "-protocol_whitelist", "file", "-i", f"file:{path}",
        *chosen, "-an", "-sn", "-dn", "-fps_mode", "passthrough", "-vf", filters, *output,
    ]  # fmt: skip


def _write(path: Path, stream: int | None, target: Path) -> None:
    done = subprocess.run(
        command(path, stream, "showinfo=checksum=0", "-f", "null", "-"), capture_output=True, timeout=_TIMEOUT_S
    )
    target.write_text(json.dumps(_read(done.stderr.decode("utf8", "replace").splitlines())))


def _read(lines: Iterable[str]) -> dict[str, Any]:
    """What ffmpeg said, as the arguments of Truth; "rows" has the time and the shape of each frame."""
    said: dict[str, str] = {}
    rows: list[tuple[str, str]] = []
    damage: list[tuple[int, str]] = []
    others: set[str] = set()
    latest: Fraction | None = None
    for line in lines:
        if frame := _FRAME.search(line):
            pts, *numbers = frame.groups()
            across, down, width, height = map(int, numbers)
            time = latest or Fraction(0)
            if pts != "NOPTS":
                base, start = Fraction(said["base"]), Fraction(said.get("start", 0))
                shift = round((start + _seconds(said)) / base)  # ffmpeg has taken it off, rounded
                time = ((int(pts) + shift) * base - start) * 1000
            latest = time if latest is None else max(latest, time)
            pixel = Fraction(across, down) if across and down else Fraction(1)
            rows.append((str(latest), str(pixel * width / height)))
        elif found := _SAID.search(line):
            said |= {name: value for name, value in found.groupdict().items() if value}
            others |= {found["other"]} - {None}
        elif (complaint := _DAMAGE.search(line)) and not _OUTPUT.match(line):
            about = re.match(r"\[(\w+) @ ", line)
            if not about or about[1] not in others:
                damage.append((len(rows), complaint[1] or complaint[2]))
    return {
        "rows": rows,
        "damage": damage,
        "joined": "joined" in said,
        "unclocked": "start" not in said or bool(_UNCLOCKED & set(said.get("format", "").split(","))),
        "odd_angle": "odd" in said,
        "stream": int(said.get("taken", -1)),
    }


def _seconds(said: dict[str, str]) -> Fraction:
    """How far ffmpeg moves the start: in a transport stream, where something not taken starts before the pictures."""
    return Fraction(said["moved"]) / (1_000_000 if said["unit"] == "us" else 1) if "moved" in said else Fraction(0)


def pictures(path: Path, numbers: set[int], size: tuple[int, int], stream: int | None = None) -> dict[int, Picture]:
    """The frames with these numbers as RGB of (width, height) `size`, kept in shape: what is wider or higher gets black bars."""
    if not numbers:
        return {}
    wanted = sorted(numbers)
    about = f"{_about(path)} pictures 1 {stream} {size} {wanted}"
    with np.load(derived(about, "pictures.npz", partial(_draw, path, stream, wanted, size))) as kept:
        return {int(name): kept[name] for name in kept.files}


def _draw(path: Path, stream: int | None, wanted: list[int], size: tuple[int, int], target: Path) -> None:
    width, height = size
    across = f"if(lt(abs({height}*dar-{width}),2),{width},min({width},round({height}*dar)))"
    down = f"if(lt(abs({width}/dar-{height}),2),{height},min({height},round({width}/dar)))"
    scale = f"scale=w='{across}':h='{down}':flags=bicubic+accurate_rnd+full_chroma_int"
    filters = f"{scale},format=rgb24,pad={width}:{height}:(ow-iw)/2:(oh-ih)/2"
    output = ["-frames:v", str(wanted[-1] + 1), "-f", "rawvideo", "-"]
    found, length = {}, width * height * 3
    with subprocess.Popen(
        command(path, stream, filters, *output), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        for number in range(wanted[-1] + 1):
            data = process.stdout.read(length)
            if len(data) < length:
                break
            if number in wanted:
                found[str(number)] = np.frombuffer(data, np.uint8).reshape(height, width, 3)
        process.kill()
    np.savez(target, **found)  # type: ignore[arg-type]


def brightness(rgb: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The luma of RGB pixels."""
    found: npt.NDArray[np.float32] = rgb.astype(np.float32) @ np.float32([0.299, 0.587, 0.114])
    return found


def decoded(jpeg: bytes) -> Picture:
    """The pixels of a JPEG."""
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))


def psnr(jpeg: bytes, picture: Picture) -> tuple[float, float]:
    """How near a JPEG is to a picture of its size, in dB: its brightness, and the average colours of 8x8 pixels."""
    difference = decoded(jpeg).astype(np.float32) - picture.astype(np.float32)
    height, width = picture.shape[0] // 8, picture.shape[1] // 8
    blocks = difference[: 8 * height, : 8 * width].reshape(height, 8, width, 8, 3).mean((1, 3))
    return decibel(brightness(difference)), decibel(blocks)


def decibel(error: npt.NDArray[Any]) -> float:
    """The PSNR of these differences of grey levels."""
    return float(10 * np.log10(255**2 / max(float(np.mean(error**2)), 1e-9)))
