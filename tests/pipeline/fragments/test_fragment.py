import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from longtake.pipeline.decode import Decoded, Frame, FrameFault
from longtake.pipeline.fragments.fragment import (
    Marker,
    WantedClip,
    fragment_digest,
    is_sound,
    marker_path,
    read_entries,
    read_marker,
    tar_entry,
    tar_header,
    write_fragment,
)
from longtake.schemas.config import Frames
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason
from longtake.schemas.records import SourceInfo

DIGEST = "ab" + "0" * 62
WANTED = [WantedClip("v-000000000-000001000", (0, 500)), WantedClip("v-000002000-000003000", (2000, 2500))]
INFO = SourceInfo(640, 360, 29.97, "h264", 60_000)


def decoded(*frames: Frame | FrameFault) -> Decoded:
    return Decoded(INFO, (36, 64), frames, decoded=99)


def frame(ms: int, size: int = 700) -> Frame:
    return Frame(ms, bytes([ms % 251]) * size)


WHOLE = decoded(frame(0), frame(480, 512), frame(1999, 1), frame(2480))


def write(tmp_path: Path, what: Decoded = WHOLE) -> tuple[str, Marker]:
    layout = Layout(str(tmp_path))
    return marker_path(layout, DIGEST), write_fragment(layout, DIGEST, WANTED, what)


def payload(tmp_path: Path) -> Path:
    (found,) = tmp_path.rglob("*.frag")
    return found


def test_marker_comes_back_as_it_was_written(tmp_path: Path) -> None:
    at, marker = write(tmp_path)
    assert read_marker(at) == marker
    assert [s.key for s in marker.samples] == [w.key for w in WANTED]
    assert [s.frame_pts_ms for s in marker.samples] == [(0, 480), (1999, 2480)]
    assert (marker.source, marker.frame_size, marker.faults) == (INFO, (36, 64), ())
    assert is_sound(at, marker)


def test_payload_is_tar_entries_without_an_end(tmp_path: Path) -> None:
    _, marker = write(tmp_path)
    data = payload(tmp_path).read_bytes()
    assert len(data) == marker.size == sum(s.size for s in marker.samples)
    with tarfile.open(fileobj=io.BytesIO(data + b"\0" * 1024)) as tar:
        members = tar.getmembers()
        contents = [tar.extractfile(m).read() for m in members]  # type: ignore[union-attr]
    assert [m.name for m in members] == [f"{w.key}.{i:03d}.jpg" for w in WANTED for i in range(2)]
    assert contents == [frame(0).jpeg, frame(480, 512).jpeg, frame(1999, 1).jpeg, frame(2480).jpeg]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}


def test_a_sample_with_a_faulty_frame_is_left_out_whole(tmp_path: Path) -> None:
    fault = FrameFault(Reason.FRAMES_DAMAGED, "the frame on screen at 500 ms cannot be decoded")
    at, marker = write(tmp_path, decoded(frame(0), fault, frame(1999), frame(2480)))
    assert [s.key for s in marker.samples] == [WANTED[1].key]
    assert [(f.key, f.reason, f.detail) for f in marker.faults] == [(WANTED[0].key, fault.reason, fault.detail)]
    assert marker.samples[0].offset == 0
    assert is_sound(at, marker)
    assert read_marker(at) == marker


def test_without_a_sample_there_is_no_payload_and_the_faults_are_known(tmp_path: Path) -> None:
    faults = [FrameFault(Reason.FRAMES_PAST_END, "5000 ms")] * 4
    at, marker = write(tmp_path, decoded(*faults))
    assert not list(tmp_path.rglob("*.frag"))
    assert read_marker(at) == marker
    assert len(marker.faults) == 2
    assert is_sound(at, marker)


@pytest.mark.parametrize("offset", [0, 100, 600, 1400, -1])
def test_a_changed_byte_is_noticed(tmp_path: Path, offset: int) -> None:
    at, marker = write(tmp_path)
    data = bytearray(payload(tmp_path).read_bytes())
    data[offset] ^= 1
    payload(tmp_path).write_bytes(data)
    assert not is_sound(at, marker)
    broken = [s.key for s in marker.samples if not _readable(at, marker, s)]
    assert broken == [WANTED[1].key if offset < 0 else WANTED[0].key]


def _readable(at: str, marker: Marker, sample: Any) -> bool:
    try:
        read_entries(at, marker, sample)
    except OSError as error:
        assert "Run the build again" in str(error)
        return False
    return True


@pytest.mark.parametrize("keep", [0, 1, 512, 2000])
def test_a_truncated_payload_is_noticed(tmp_path: Path, keep: int) -> None:
    at, marker = write(tmp_path)
    payload(tmp_path).write_bytes(payload(tmp_path).read_bytes()[:keep])
    assert not is_sound(at, marker)


def test_a_missing_payload_is_noticed(tmp_path: Path) -> None:
    at, marker = write(tmp_path)
    payload(tmp_path).unlink()
    assert not is_sound(at, marker)


def test_a_marker_that_is_not_whole_counts_as_none(tmp_path: Path) -> None:
    at, marker = write(tmp_path)
    whole = Path(at).read_bytes()
    damaged = [whole.replace(b"1999", b"1998"), whole.replace(b'"samples"', b'"sample"'), whole[: len(whole) // 2]]
    for data in (*damaged, b"", b"null", b"[]", b"{}", b"\xff", b'{"marker": 1, "sha256": ""}', b'{"marker": {}}'):
        Path(at).write_bytes(data)
        assert read_marker(at) is None, data
    Path(at).unlink()
    assert read_marker(at) is None
    assert marker.samples


def test_a_marker_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    at, _ = write(tmp_path)
    marker = json.loads(Path(at).read_text())["marker"]
    forged = marker | {"payload": f"../../{marker['payload']}"}
    digest = hashlib.sha256(json.dumps(forged).encode()).hexdigest()
    Path(at).write_text(json.dumps({"marker": forged, "sha256": digest}))
    found = read_marker(at)
    assert found is not None
    assert found.payload == marker["payload"]


def test_two_attempts_do_not_meet(tmp_path: Path) -> None:
    at, first = write(tmp_path)
    _, second = write(tmp_path)
    assert first.payload != second.payload
    assert is_sound(at, first)
    assert read_marker(at) == second


def test_the_digest_tells_apart_everything_that_decides_the_bytes() -> None:
    base: dict[str, Any] = {
        "uri": "v.mp4",
        "source": (10, "1"),
        "wanted": WANTED,
        "frames": Frames(),
        "versions": {"av": "18"},
    }
    others: list[dict[str, Any]] = [
        {"uri": "w.mp4"},
        {"source": (11, "1")},
        {"source": (10, "2")},
        {"wanted": WANTED[:1]},
        {"wanted": [WantedClip(WANTED[0].key, (0, 501)), WANTED[1]]},
        {"wanted": WANTED[::-1]},
        {"frames": Frames(quality=89)},
        {"frames": Frames(short_side=241)},
        {"frames": Frames(tolerance_ms=1)},
        {"versions": {"av": "19"}},
    ]
    digests = [fragment_digest(**base | other) for other in [{}, *others]]
    assert len(set(digests)) == len(digests)
    assert fragment_digest(**base) == digests[0]
    assert all(len(d) == 64 for d in digests)


@pytest.mark.parametrize("name", ["a.jpg", "k" * 100, "k" * 200 + ".000.jpg", "\u00e9.txt"])
def test_tar_entry_is_read_by_tarfile_and_has_whole_blocks(name: str) -> None:
    entry = tar_entry(name, b"x" * 513)
    assert len(entry) % 512 == 0
    assert entry.startswith(tar_header(name, 513))
    with tarfile.open(fileobj=io.BytesIO(entry + b"\0" * 1024)) as tar:
        (member,) = tar.getmembers()
        assert member.name == name
        assert tar.extractfile(member).read() == b"x" * 513  # type: ignore[union-attr]
