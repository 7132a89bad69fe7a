"""The videos that are measured, and the times that are wanted of them."""

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
from measure import CACHE, HERE, Failed

from longtake.pipeline.decode.picture import scaled_size
from longtake.pipeline.merge.frame_times import frame_times_ms
from longtake.schemas.records import Sentence

DATA = HERE.parents[1] / "shared" / "data"
SHORT_SIDE = 200
SENTENCE_MS = 13_400
PER_SENTENCE = 8
#: Camera and animated material, looped and scaled, from which the re-encoded files are made.
_MIX = (
    "the_last_man_on_earth.mp4", "big_buck_bunny_0_30.webm", "bottle-detection.mp4", "test_video_30s.mp4",
    "video2dataset.test_video.mp4",
)  # fmt: skip
_TALK = ("video2dataset.test_video.mp4",)
_ENCODERS = {
    "h264": "-c:v libx264 -preset veryfast -g 150 -bf 3",
    "hevc": "-c:v libx265 -preset veryfast -g 150 -x265-params log-level=error",
    "vp9": "-c:v libvpx-vp9 -deadline realtime -cpu-used 6 -b:v 1500k -g 150",
    "av1": "-c:v libsvtav1 -preset 10 -crf 35 -g 150",
}


@dataclass(frozen=True)
class Video:
    """One video to measure. `kind` says where it comes from: youtube, veryfast, or other."""

    name: str
    path: Path
    kind: str
    codec: str
    width: int
    height: int
    duration_ms: int
    start_us: int
    first_us: int  # when the first picture is shown, from the container's start
    size: tuple[int, int]  # width and height of the frames wanted of it

    @property
    def times_ms(self) -> list[int]:
        """Eight times in each of the sentences of 13.4 s that fill it; one sentence where it is shorter."""
        length = min(SENTENCE_MS, self.duration_ms)
        starts = range(0, self.duration_ms - length + 1, length)
        sentences = [Sentence("", start, start + length, "") for start in starts]
        return list(frame_times_ms(sentences, PER_SENTENCE))


def look_at(path: Path, kind: str | None = None) -> Video:
    """The facts of a video, from its header."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        aspect = stream.sample_aspect_ratio or Fraction(1)
        return Video(
            name=path.name,
            path=path,
            kind=kind or ("youtube" if is_youtube(path) else "other"),
            codec=context.codec.canonical_name,
            width=context.width,
            height=context.height,
            duration_ms=(container.duration or 0) // 1000,
            start_us=container.start_time or 0,
            first_us=int((stream.start_time or 0) * (stream.time_base or 0) * 1_000_000) - (container.start_time or 0),
            size=scaled_size(context.width, context.height, aspect, SHORT_SIDE),
        )


def duration_ms(path: Path) -> int:
    """The duration of the video stream, in ms."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        own = int(stream.duration * (stream.time_base or 0) * 1000) if stream.duration else 0
        return own or (container.duration or 0) // 1000


def is_youtube(path: Path) -> bool:
    """Whether YouTube encoded the pictures: its handler name survives a remux, but also a re-encode by ffmpeg, which then
    names its encoder in the stream (tag "encoder") or in the first picture (x264's message).
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if "Google" not in stream.metadata.get("handler_name", "") or "encoder" in stream.metadata:
            return False
        first = next(packet for packet in container.demux(stream) if packet.size)
        return b"x264 - core" not in bytes(first)


def real_videos() -> list[Video]:
    """Those of shared/data that last ten seconds or more: all of videos/, and the AV1 ones of odd/."""
    if not DATA.is_dir():
        raise Failed(f"{DATA}: not here; the benchmarks need the videos of the project's shared folder")
    paths = [*sorted((DATA / "videos").iterdir()), DATA / "odd" / "av1-2018-06_550.webm"]
    order = {"youtube": 0, "other": 1}
    return sorted(map(look_at, paths), key=lambda video: (order[video.kind], video.codec, video.name))


def veryfast(seconds: int) -> list[Video]:
    """x264 veryfast files: of camera and animated material, and of a narrated slide show."""
    return [encoded("h264", seconds, name) for name in ("mix", "talk")]


def encoded(codec: str, seconds: int, material: str = "mix") -> Video:
    """A 720p, 30 frames per second, group of 150 file of real material, made once. H.264 is x264 veryfast, 3 B-frames."""
    path = CACHE / f"{codec}-{material}-720p30-{seconds}s.{'webm' if codec in ('vp9', 'av1') else 'mp4'}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_stem(path.stem + "-unfinished")
        inputs = _mixed_inputs(seconds, _MIX if material == "mix" else _TALK)
        ffmpeg([*inputs, *_ENCODERS[codec].split(), "-pix_fmt", "yuv420p", str(temporary)])
        temporary.rename(path)
    return look_at(path, "veryfast" if codec == "h264" else "re-encoded")


def _mixed_inputs(seconds: int, names: tuple[str, ...]) -> list[str]:
    each = seconds / len(names)
    inputs: list[str] = []
    for name in names:
        inputs += ["-stream_loop", "-1", "-t", f"{each:g}", "-i", str(DATA / "videos" / name)]
    fit = "scale=1280:720:force_original_aspect_ratio=increase,crop=1280:720,setsar=1,fps=30"
    chains = [f"[{n}:v]{fit}[v{n}]" for n in range(len(names))]
    joined = "".join(f"[v{n}]" for n in range(len(names)))
    return [*inputs, "-filter_complex", f"{';'.join(chains)};{joined}concat=n={len(names)}:v=1:a=0[v]", "-map", "[v]"]


def ffmpeg(arguments: list[str]) -> None:
    """Run ffmpeg, the binary of imageio-ffmpeg. Raises Failed."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y", *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)}\n{done.stderr.decode(errors='replace')[-2000:]}")
