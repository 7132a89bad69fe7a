"""A transport stream in whose middle a stream shows up that its start does not have, as where recordings were spliced."""

from pathlib import Path

import av
import media
import pytest

from longtake.pipeline.decode import decode_frames
from longtake.pipeline.decode.source import open_source
from longtake.pipeline.decode.table import read_table
from longtake.schemas.config import Frames, Limits

_SILENT, _LOUD, _PACKETS = 200, 50, 25  # packets of each piece, and how often the first is there before the second


@pytest.fixture(scope="module")
def spliced() -> Path:
    """FFmpeg looks for streams in the first 5 MB and at the end: sound is in neither."""
    silent = media.encode("silent.ts", duration=8)
    loud = media.encode("loud.ts", duration=2, audio=True)
    data = silent.read_bytes() * _PACKETS + loud.read_bytes() + silent.read_bytes() * 5
    return media.derived(f"{silent} {loud}", "spliced.ts", lambda path: path.write_bytes(data))


def test_it_is_what_pyav_trips_over(spliced: Path) -> None:
    with av.open(str(spliced)) as container, pytest.raises(IndexError):
        list(container.demux(container.streams.video[0]))


def test_every_packet_is_in_the_table(spliced: Path) -> None:
    with open_source(str(spliced), Limits()) as source:
        table = read_table(source, Limits())
    assert len(table) == (_PACKETS + 5) * _SILENT + _LOUD
    assert table.error == ""


def test_its_frames_decode(spliced: Path) -> None:
    decoded = decode_frames(str(spliced), [0, 1000, 4000], Frames(short_side=16), Limits())
    assert len(decoded.frames) == 3
