"""The seconds that decoding reports: CPU time of all threads, whatever the task waited for."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from longtake.pipeline.decode import picture
from longtake.pipeline.fragments.fragment import WantedClip
from longtake.pipeline.fragments.work import decode_source
from longtake.schemas.config import Frames, Limits
from longtake.schemas.layout import Layout
from tests.media import encode

WANTED = [WantedClip("v-000000000-000001000", (0, 500)), WantedClip("v-000002000-000003000", (2000, 2500))]
BURNT = 0.2  # CPU seconds


def seconds_of_encoding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: Any) -> float:
    """The seconds of encoding four frames if `before` happens before each."""
    encoder = picture.simplejpeg.encode_jpeg_yuv_planes

    def slowly(*planes: Any, **settings: Any) -> Any:
        before()
        return encoder(*planes, **settings)

    monkeypatch.setattr(picture.simplejpeg, "encode_jpeg_yuv_planes", slowly)
    path = str(encode("plain.mp4", size="64x36"))
    marker, seconds = decode_source(
        path, WANTED, Frames(short_side=32), Limits(), Layout(str(tmp_path)), "ab" + "0" * 62
    )
    assert sum(len(sample.frame_pts_ms) for sample in marker.samples) == 4
    return seconds["encode"]


def burn() -> None:
    until = time.thread_time() + BURNT / 4
    while time.thread_time() < until:
        pass


def test_waiting_costs_no_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert seconds_of_encoding(monkeypatch, tmp_path, lambda: time.sleep(0.1)) < 0.2  # it waited for 0.4 s


def test_the_work_of_other_threads_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def elsewhere() -> None:
        thread = threading.Thread(target=burn)
        thread.start()
        thread.join()

    assert seconds_of_encoding(monkeypatch, tmp_path, elsewhere) >= BURNT
