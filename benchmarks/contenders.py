"""The contenders of decode.py. Run as a program, this takes one job and does it once in this fresh process.

Each contender gets a file, wanted times (ms) and an output size, and returns one picture and one measured time for each.
CPU seconds are those of the process and its children, from before the file is opened until the resized frames are there,
after a warm-up on another file; then all frames are written as JPEG, and the clock is read again.
"""

import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
_QUALITY = 90


@dataclass(frozen=True)
class Job:
    """What a contender has to do. `start_us` is the container's start, from which the wanted times count; `first_us` is when
    the first picture is shown. Both are told for nothing.
    """

    contender: str
    path: str
    times_ms: list[int]
    size: tuple[int, int]  # width, height
    short_side: int
    start_us: int = 0
    first_us: int = 0
    tolerance_ms: int = 0
    core: int = 0
    warm_up: str = ""  # a small file to be decoded first
    keep: str = ""  # file to write the pictures to, for the comparison


@dataclass
class Taken:
    """What a contender brings back: distinct pictures (RGB) or JPEGs, and for each wanted time which one it is and when it
    is shown. `pts_ms` is None where the contender cannot know.
    """

    images: list[Image] = field(default_factory=list)
    jpegs: list[bytes] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    pts_ms: list[int] | None = None
    decoded: int | None = None  # pictures given to the decoder
    phases: dict[str, float] = field(default_factory=dict)
    encode_seconds: float = 0.0  # of the JPEGs, where they were written on the way


def cpu() -> float:
    """CPU seconds of this process, its threads, and its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def rounded_ms(microseconds: float) -> int:
    """Milliseconds, to nearest; a half goes down, as in decode.timeline."""
    return int(-((1000 - 2 * round(microseconds)) // 2000))


def shown_at(starts_us: npt.NDArray[np.int64], times_ms: list[int]) -> list[int]:
    """The index of the frame on screen at each time: the last whose rounded time is not after it, or the first."""
    marks = np.array([1000 * t + 500 for t in times_ms], np.int64)
    return [max(int(i) - 1, 0) for i in np.searchsorted(starts_us, marks, side="right")]


# -- the contenders ----------------------------------------------------------------------------------------------------


def ours(job: Job) -> Taken:
    """decode_frames. It writes JPEGs from YUV as it goes; its own clock says what they took."""
    from longtake.pipeline.decode import Frame, decode_frames
    from longtake.schemas.config import Frames, Limits

    settings = Frames(short_side=job.short_side, quality=_QUALITY, tolerance_ms=job.tolerance_ms)
    decoded = decode_frames(job.path, job.times_ms, settings, Limits(), clock=time.process_time)
    frames = [frame for frame in decoded.frames if isinstance(frame, Frame)]
    if len(frames) != len(job.times_ms):
        raise RuntimeError(f"{len(job.times_ms) - len(frames)} frames are missing")
    distinct = {id(frame): frame for frame in frames}
    places = {key: number for number, key in enumerate(distinct)}
    return Taken(
        jpegs=[frame.jpeg for frame in distinct.values()],
        index=[places[id(frame)] for frame in frames],
        pts_ms=[frame.pts_ms for frame in frames],
        decoded=decoded.decoded,
        phases=dict(decoded.seconds),
        encode_seconds=decoded.seconds["encode"],
    )


def decord(job: Job) -> Taken:
    """decord's VideoReader, which scales in its own filter graph: get_batch of the frames its table has at the times."""
    import decord as library

    width, height = job.size
    reader = library.VideoReader(job.path, width=width, height=height, num_threads=1)
    starts = np.asarray(reader.get_frame_timestamp(range(len(reader))), np.float64)[:, 0]
    # decord counts from the first picture.
    microseconds = np.round((starts - starts[0]) * 1e6).astype(np.int64) + job.first_us
    wanted = shown_at(microseconds, job.times_ms)
    distinct = sorted(set(wanted))
    images = reader.get_batch(distinct).asnumpy()
    pts = [rounded_ms(microseconds[i]) for i in wanted]
    return Taken(list(images), index=[distinct.index(i) for i in wanted], pts_ms=pts)


def torchcodec(job: Job) -> Taken:
    """torchcodec's VideoDecoder, exact, with its own resize transform: get_frames_played_at."""
    import torch
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    torch.set_num_threads(1)
    width, height = job.size
    decoder = VideoDecoder(
        job.path, num_ffmpeg_threads=1, seek_mode="exact", dimension_order="NHWC", transforms=[Resize((height, width))]
    )
    # The frame whose time, rounded to a millisecond, is not after t is the one that plays half a millisecond later.
    first = (job.first_us + job.start_us) / 1e6  # it refuses times before the first picture
    seconds = [max((t + 0.4999) / 1000 + job.start_us / 1e6, first) for t in job.times_ms]
    batch = decoder.get_frames_played_at(seconds)
    pts = [rounded_ms(p * 1e6 - job.start_us) for p in batch.pts_seconds.tolist()]
    images = batch.data.numpy()
    distinct = list({p: number for number, p in enumerate(pts)}.values())
    place = {pts[number]: at for at, number in enumerate(distinct)}
    return Taken([images[n] for n in distinct], index=[place[p] for p in pts], pts_ms=pts)


def pyav(job: Job) -> Taken:
    """PyAV, decoding everything in order and scaling the frames that turn out to be wanted."""
    import av
    from av.video.reformatter import VideoReformatter

    scaler, taken = VideoReformatter(), Taken(pts_ms=[], decoded=0)
    width, height = job.size
    pending = sorted(job.times_ms)
    assert pending == job.times_ms, "the times must rise"
    with av.open(job.path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count, stream.codec_context.thread_type = 1, "NONE"
        scale_us = float(stream.time_base * 1_000_000)
        held: tuple[Any, float] | None = None

        def take_until(next_us: float) -> None:
            nonlocal pending
            marks = 0
            while marks < len(pending) and 1000 * pending[marks] + 500 < next_us:
                marks += 1
            if marks and held is not None:
                picture = scaler.reformat(held[0], width=width, height=height, format="rgb24")
                taken.images.append(picture.to_ndarray())
                taken.index += [len(taken.images) - 1] * marks
                taken.pts_ms += [rounded_ms(held[1])] * marks
                pending = pending[marks:]

        for frame in container.decode(stream):
            taken.decoded += 1
            at = frame.pts * scale_us - job.start_us
            if held is not None:
                take_until(at)
            held = frame, at
        take_until(float("inf"))
    return taken


def floor(job: Job) -> Callable[[], Taken]:
    """libavcodec alone: the packets that our planner chose lie in memory; they are decoded, and the wanted frames scaled
    (to planar YUV, by the scaler's fastest bicubic). No opening, no demuxing, no table, no planning.
    """
    import av
    from av.video.reformatter import Interpolation, VideoReformatter

    from longtake.pipeline.decode.choose import choose, segments
    from longtake.pipeline.decode.source import open_source
    from longtake.pipeline.decode.table import read_table
    from longtake.schemas.config import Limits

    with open_source(job.path, Limits()) as source:
        table, timeline = read_table(source, Limits()), source.timeline
    chosen = choose(table, job.times_ms, timeline, 0)
    wanted = set(chosen)
    runs = [
        {o for o in range(run.start, run.stop + 1) if table.reference[o] or o in wanted}
        for run in segments(table, wanted)
    ]
    container = av.open(job.path)
    stream = container.streams.video[0]
    context = stream.codec_context
    context.thread_count, context.thread_type = 1, "NONE"
    packets = [packet for packet in container.demux(stream) if packet.size]
    work = [[packets[o] for o in sorted(run)] for run in runs]
    ordinal = {int(table.pts[o]): o for o in wanted}
    width, height = job.size

    def measured() -> Taken:
        scaler, images, decoded = VideoReformatter(), {}, 0
        began, scaling = time.process_time(), 0.0
        for run in work:
            context.flush_buffers()
            for packet in [*run, None]:
                decoded += packet is not None
                for frame in context.decode(packet):
                    if frame.pts in ordinal:
                        at = time.process_time()
                        images[ordinal[frame.pts]] = scaler.reformat(
                            frame, width=width, height=height, format="yuv420p", interpolation=Interpolation.BICUBIC
                        )
                        scaling += time.process_time() - at
        phases = {"scale": scaling, "decode": time.process_time() - began - scaling}
        container.metadata  # noqa: B018  (keeps the container open until here)
        order = {o: number for number, o in enumerate(images)}
        return Taken(
            [_Lazy(image) for image in images.values()],  # type: ignore[misc]
            index=[order[o] for o in chosen],
            pts_ms=[timeline.to_ms(int(table.pts[o])) for o in chosen],
            decoded=decoded,
            phases=phases,
        )

    return measured


class _Lazy:
    """A scaled frame that becomes RGB when it is compared, outside of the measurement."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame


def recipe(job: Job, scale: str = "") -> Taken:
    """What users of LF-VILA's scripts do: cut every sentence by stream copy, re-encode the cut at 3 frames per second, and
    take 8 frames of it, at floor(k * T / 8), with decord. Audio is left out, in the recipe's favour.
    """
    import decord as library
    import imageio_ffmpeg

    width, height = job.size
    tool = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y", "-threads", "1"]
    taken = Taken()
    with tempfile.TemporaryDirectory(prefix="longtake-recipe-") as folder:
        for first in range(0, len(job.times_ms), 8):
            times = job.times_ms[first : first + 8]
            start, end = times[0] / 1000, (2 * times[-1] - times[-2] + job.start_us / 1000) / 1000
            cut, clip = f"{folder}/cut{Path(job.path).suffix}", f"{folder}/clip.mp4"
            span = ["-ss", f"{start:.3f}", "-to", f"{end:.3f}"]
            copy = ["-c", "copy", "-an", "-avoid_negative_ts", "1", cut]
            _run([*tool, *span, "-i", job.path, *copy])
            _run([*tool, "-i", cut, "-an", *([] if not scale else ["-vf", scale]), "-r", "3", "-threads", "1", clip])
            reader = library.VideoReader(clip, width=width, height=height, num_threads=1)
            chosen = [k * len(reader) // 8 for k in range(8)]
            images = reader.get_batch(chosen).asnumpy()
            taken.index += range(len(taken.images), len(taken.images) + len(images))
            taken.images += list(images)
    return taken


def recipe_240p(job: Job) -> Taken:
    """The recipe at its cheapest: the cuts thinned to 3 frames per second first, then scaled to 240 lines, the size that the
    authors are said to store, before they are re-encoded. The published script does not scale.
    """
    return recipe(job, "fps=3,scale=-2:240")


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


CONTENDERS: dict[str, Callable[[Job], Any]] = {
    "ours": ours, "decord": decord, "torchcodec": torchcodec, "pyav": pyav, "recipe": recipe, "recipe_240p": recipe_240p,
    "floor": floor,
}  # fmt: skip


# -- one measurement ---------------------------------------------------------------------------------------------------


def measure(job: Job) -> dict[str, Any]:
    """Warm up, do the job, read the clocks."""
    os.sched_setaffinity(0, {job.core})
    work = CONTENDERS[job.contender]
    if job.warm_up:
        _do(
            work,
            Job(job.contender, job.warm_up, [0, 1000] * 4 if "recipe" in job.contender else [0, 1000], (356, 200), 200),
        )
    gc.collect()  # else whoever makes the most objects pays for collecting what all have imported
    gc.freeze()
    prepared = work(job) if work is floor else lambda: work(job)
    start, started = cpu(), time.perf_counter()
    taken: Taken = prepared()
    resized, wall = cpu() - start, time.perf_counter() - started
    pictures = [_rgb(image) for image in taken.images]
    before = cpu()
    jpegs = taken.jpegs or [_jpeg(image) for image in pictures]
    encode = taken.encode_seconds or cpu() - before
    if job.keep:
        np.savez(job.keep, index=np.array(taken.index), images=np.stack(pictures or [_pixels(data) for data in jpegs]))
    return {
        "cpu": resized - taken.encode_seconds,
        "cpu_with_jpeg": resized - taken.encode_seconds + encode,
        "wall": wall,
        "frames": len(taken.index),
        "distinct": len(jpegs),
        "jpeg_bytes": sum(map(len, jpegs)),
        "pts_ms": taken.pts_ms,
        "decoded": taken.decoded,
        "phases": taken.phases,
    }


def _do(work: Callable[[Job], Any], job: Job) -> None:
    result = work(job)
    if callable(result):
        result()


def _rgb(image: Any) -> Image:
    return image.frame.to_ndarray(format="rgb24") if isinstance(image, _Lazy) else np.ascontiguousarray(image)


def _jpeg(image: Image) -> bytes:
    import simplejpeg

    return bytes(simplejpeg.encode_jpeg(image, quality=_QUALITY, colorspace="RGB", colorsubsampling="420"))


def _pixels(data: bytes) -> Image:
    import simplejpeg

    return np.asarray(simplejpeg.decode_jpeg(data), np.uint8)


def main(job_file: str, report_file: str) -> None:
    """Do one job and write the report."""
    raw = json.loads(Path(job_file).read_text())
    job = Job(**raw | {"size": tuple(raw["size"])})
    Path(report_file).write_text(json.dumps(measure(job)))


if __name__ == "__main__":
    main(*sys.argv[1:])
