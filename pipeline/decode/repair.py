"""Rescue broken containers with one ffmpeg remux, which tolerates more than opening for random access."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import ffmpeg

from longtake.pipeline.decode.ffmpeg_command import ffmpeg_command
from longtake.pipeline.decode.results import ContainerError, SourceError
from longtake.pipeline.decode.source import FORMATS
from longtake.schemas.config import Limits

Result = TypeVar("Result")

#: A remux runs at disk speed, so this is long. The whole decode has its own, larger bound.
TIMEOUT_S = 120.0
_HEAD = 512


def with_repair(path: str, limits: Limits, work: Callable[[str], Result]) -> Result:
    """Run `work(path)`. If the container is broken, run `work` on a remuxed copy, which is deleted afterwards.

    Raises the first SourceError if the copy does not help; without ffmpeg, its detail says so.
    """
    try:
        return work(path)
    except ContainerError as error:
        if _is_text(path):
            raise
        if ffmpeg_command() is None:
            detail = (
                f"{error.detail}; not repaired: there is no ffmpeg"
                if error.detail
                else "not repaired: there is no ffmpeg"
            )
            raise ContainerError(error.reason, detail) from None
        with tempfile.TemporaryDirectory(prefix="longtake-repair-") as folder:
            copy = str(Path(folder) / "repaired.mkv")
            if not _remux(path, copy, limits):
                raise
            try:
                return work(copy)
            except SourceError:
                raise error from None


def _is_text(path: str) -> bool:
    """Whether the file is text, such as a playlist or an error page: no container starts with text."""
    with open(path, "rb") as stream:
        head = stream.read(_HEAD)
    try:
        text = head.decode("utf-8", errors="strict" if len(head) < _HEAD else "ignore")
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c in "\t\r\n\ufeff" for c in text)


def _remux(path: str, target: str, limits: Limits) -> bool:
    """Copy the first video stream of `path` into a Matroska file, within limits of time and size. Return whether that worked."""
    source = ffmpeg.input(
        f"file:{path}",
        protocol_whitelist="file",
        format_whitelist=FORMATS,
        err_detect="ignore_err",
        fflags="+genpts+discardcorrupt",
        t=limits.duration_ms / 1000,
    )
    size = Path(path).stat().st_size
    command = ffmpeg.output(
        source["v:0"], f"file:{target}", format="matroska", codec="copy", fs=2 * size + (1 << 20), loglevel="error"
    )
    arguments = ffmpeg.compile(command, cmd=[str(ffmpeg_command()), "-nostdin"], overwrite_output=True)
    try:
        subprocess.run(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return Path(target).is_file() and Path(target).stat().st_size > 0
