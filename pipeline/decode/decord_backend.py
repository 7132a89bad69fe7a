"""The second backend: decord. It decodes and scales independently, to check the first. It is slower, and only for sound files.

decord has its own frame table, but does not know edit lists, hidden frames or the container's start, and shows a damaged frame
as a copy of its neighbour. So a file is decoded only if decord's table agrees with the packet table, and refused otherwise.
"""

from collections.abc import Sequence
from typing import Any

import decord
import numpy as np
import simplejpeg

from longtake.pipeline.decode.choose import GRACE_MS, on_screen
from longtake.pipeline.decode.geometry import Crop, scaled_size
from longtake.pipeline.decode.inspect import first_orientation
from longtake.pipeline.decode.pyav_backend import end_ms, measured_info, past_end
from longtake.pipeline.decode.results import ContainerError, Decoded, Frame, FrameFault, SourceError
from longtake.pipeline.decode.source import OpenSource, check_duration, open_source
from longtake.pipeline.decode.stopwatch import Stopwatch
from longtake.pipeline.decode.table import PacketTable, read_table
from longtake.schemas.config import Frames, Limits
from longtake.schemas.reasons import Reason

_FAILURES: tuple[type[Exception], ...] = (
    RuntimeError, AssertionError, IndexError, StopIteration, decord.DECORDError, decord._ffi.base.DECORDLimitReachedError,
)  # fmt: skip
_NO_SEEK = frozenset({"mpegts", "mpeg"})
_BATCH = 64  # frames per request, which bounds memory
_SLACK_MS = 1.6  # decord's clock is a float32, and some of its containers round to whole milliseconds
_NO_REPAIRS = 1e-9  # share of made-up frames that decord may return


class DecordBackend:
    """A backend that uses decord."""

    def decode(self, path: str, times_ms: Sequence[int], frames: Frames, limits: Limits, watch: Stopwatch) -> Decoded:
        """See Backend.decode. `decoded` counts the frames taken, because decord does not say how many it decoded for them."""
        with watch.phase("index"):
            orientation = first_orientation(path, limits)
            with open_source(path, limits) as source:
                table = read_table(source, limits)
                if not len(table):
                    raise ContainerError(Reason.NO_FRAMES, table.error or "the video stream is empty")
                context = source.stream.codec_context
                flat = scaled_size(context.width, context.height, source.aspect, frames.short_side)
            end = end_ms(source, table)
            check_duration(end, limits)
            if orientation.mirrored or orientation.odd:
                raise _refuse("mirror a picture, or turn it by anything but quarter turns")
            if orientation.turns and "mov" not in source.container.format.name.split(","):
                raise _refuse("turn pictures of this container")
            width, height = orientation.size(*flat)
            reader = _open(path, width, height)
            _agree(reader, source, table)
        timeline = source.timeline
        pts = table.shown_pts.tolist()
        chosen = on_screen(pts, times_ms, timeline)
        wanted = sorted({i for i, t in zip(chosen, times_ms, strict=True) if t <= end + GRACE_MS})
        taken: dict[int, Frame] = {}
        for first in range(0, len(wanted), _BATCH):
            batch = wanted[first : first + _BATCH]
            with watch.phase("decode"):
                images = _pixels(reader, batch)
            with watch.phase("encode"):
                for index, image in zip(batch, images, strict=True):
                    jpeg = simplejpeg.encode_jpeg(
                        np.ascontiguousarray(image), quality=frames.quality, colorspace="RGB", colorsubsampling="420"
                    )
                    taken[index] = Frame(timeline.to_ms(pts[index]), bytes(jpeg))
        result: list[Frame | FrameFault] = [
            taken[i] if i in taken and t <= end + GRACE_MS else past_end(t, end, table)
            for i, t in zip(chosen, times_ms, strict=True)
        ]
        info = measured_info(source, table, orientation)
        return Decoded(info, (height, width), tuple(result), len(wanted), dict(watch.seconds))

    def versions(self) -> dict[str, str]:
        """See Backend.versions."""
        return {"decord": str(decord.__version__), "simplejpeg": str(simplejpeg.__version__)}


def _refuse(detail: str) -> SourceError:
    return SourceError(Reason.UNREADABLE, f"decord cannot {detail}; use frames.decoder: pyav")


def _open(path: str, width: int, height: int) -> Any:
    try:
        return decord.VideoReader(path, width=width, height=height, num_threads=1, fault_tol=_NO_REPAIRS)
    except _FAILURES as error:
        raise _refuse(f"open it ({str(error).splitlines()[0][:120]})") from None


def _agree(reader: Any, source: OpenSource, table: PacketTable) -> None:
    """Raise SourceError unless decord lists the same frames as the packet table, and is known to decode such files correctly."""
    if not _NO_SEEK.isdisjoint(source.container.format.name.split(",")):
        raise _refuse(f"seek in {source.container.format.name} reliably")
    if source.chosen:
        raise _refuse("choose among streams of pictures")
    if source.crop != Crop():
        raise _refuse("crop")
    if source.color.is_hdr:
        raise _refuse("map tones")
    if not table.is_plannable:
        raise _refuse("decode files whose packets lack times, or which change in mid-stream")
    if table.has_leading:
        raise _refuse("decode open groups of pictures: it gives wrong ones after a seek")
    if len(reader) != len(table.shown):
        raise _refuse(f"list its frames: it finds {len(reader)} where the file shows {len(table.shown)}")
    entries = {int(at) for at in np.flatnonzero(np.isin(table.shown, table.entries))}
    if not entries.issuperset(reader.get_key_indices()):
        raise _refuse("tell which frames can be decoded by themselves: it believes marks that are wrong")
    seconds = np.asarray(reader.get_frame_timestamp(range(len(reader))), np.float64)[:, 0]
    ours = (table.shown_pts - table.shown_pts[0]) * float(source.timeline.num / source.timeline.den)
    off = np.abs((seconds - seconds[0]) - ours) * 1000  # decord counts from the first frame
    largest = abs(source.timeline.start_us) / 1e6 + float(seconds[-1])  # decord counts in single precision
    if float(off.max()) > _SLACK_MS + largest * 1000 * 2**-23:
        raise _refuse(f"time its frames: off by {float(off.max()):.0f} ms")


def _pixels(reader: Any, indices: list[int]) -> Any:
    """RGB pictures, uint8 (n, height, width, 3)."""
    try:
        return reader.get_batch(indices).asnumpy()
    except _FAILURES as error:
        raise _refuse(f"decode it ({str(error).splitlines()[0][:120]})") from None
