import hashlib
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import webdataset
from hypothesis import given, settings, strategies as st

from longtake.pipeline.build.pack import pack, samples_of, shard_numbers
from longtake.pipeline.decode import Decoded, Frame, FrameFault
from longtake.pipeline.fragments.fragment import Marker, WantedClip, marker_path, write_fragment
from longtake.pipeline.merge.frame_times import frame_times_ms
from longtake.schemas import tables
from longtake.schemas.keys import sample_key
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import ShardRecord
from longtake.schemas.reasons import Reason
from longtake.schemas.records import LongClip, Sentence, SourceInfo, SourceVideo

INFO = SourceInfo(640, 360, 29.97, "h264", 60_000)


def clip(video_id: str, start: int, position: int) -> LongClip:
    spans = ((start, start + 1000), (start + 1000, start + 2000))
    sentences = tuple(Sentence(f"{video_id}.{s}", s, e, f"at {s} \u2014 \u00fcber") for s, e in spans)
    video = SourceVideo(video_id, f"{video_id}.mp4", "https://example.org/v", "CC0", '{"tags":["x",{"y":null}]}')
    key = sample_key(video_id, start, start + 2000)
    return LongClip(key, video, sentences, frame_times_ms(sentences, 2), None, "train", 0, position)


CLIPS = [clip("a", 0, 0), clip("a", 5000, 1), clip("\u00e9/../x", 0, 2), clip("b", 1000, 3)]


@pytest.fixture
def markers(tmp_path: Path) -> dict[str, Marker]:
    """Fragments of the three videos. The second clip of video a could not be had."""
    layout, out = Layout(str(tmp_path)), {}
    for number, video in enumerate((CLIPS[:2], CLIPS[2:3], CLIPS[3:])):
        digest = f"{number:064x}"
        wanted = [WantedClip(c.key, c.frame_times_ms) for c in video]
        frames: list[Frame | FrameFault] = [
            Frame(t - 3, f"{c.key} {t}".encode()) for c in video for t in c.frame_times_ms
        ]
        if number == 0:
            frames[-1] = FrameFault(Reason.FRAMES_DAMAGED, "broken")
        decoded = Decoded(INFO, (36, 64), tuple(frames), 9)
        out[marker_path(layout, digest)] = write_fragment(layout, digest, wanted, decoded)
    return out


def packed(tmp_path: Path, markers: dict[str, Marker]) -> ShardRecord:
    return pack(Layout(str(tmp_path)), "train", 7, samples_of(CLIPS[::-1], markers))


def test_samples_are_those_that_were_decoded_in_order_of_position(markers: dict[str, Marker]) -> None:
    assert [s.clip.key for s in samples_of(CLIPS[::-1], markers)] == [CLIPS[i].key for i in (0, 2, 3)]


def test_shard_is_a_tar_in_the_order_of_the_contract(tmp_path: Path, markers: dict[str, Marker]) -> None:
    record = packed(tmp_path, markers)
    data = (tmp_path / "shards" / "train-000007.tar").read_bytes()
    assert record == ShardRecord(
        name="train-000007.tar",
        split="train",
        samples=3,
        frames=12,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
        contents = {m.name: tar.extractfile(m).read() for m in members}  # type: ignore[union-attr]
    kept = [CLIPS[i] for i in (0, 2, 3)]
    extensions = ("json", "txt", "000.jpg", "001.jpg", "002.jpg", "003.jpg")
    assert [m.name for m in members] == [f"{c.key}.{e}" for c in kept for e in extensions]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode, m.type) for m in members} == {
        (0, 0, 0, "", "", 0o644, tarfile.REGTYPE)
    }
    assert all("/" not in m.name and m.name.isascii() for m in members)
    for position, c in enumerate(kept):
        described = json.loads(contents[f"{c.key}.json"])
        assert contents[f"{c.key}.txt"].decode() == c.paragraph == " ".join(s["text"] for s in described["sentences"])
        assert contents[f"{c.key}.001.jpg"] == f"{c.key} {c.frame_times_ms[1]}".encode()
        assert described == {
            "key": c.key,
            "video_id": c.video.video_id,
            "url": "https://example.org/v",
            "license": "CC0",
            "split": "train",
            "shard": "train-000007",
            "position": position,
            "start_ms": c.start_ms,
            "end_ms": c.end_ms,
            "sentences": [tables.sentence_json(s) for s in c.sentences],
            "frame_times_ms": list(c.frame_times_ms),
            "frame_pts_ms": [t - 3 for t in c.frame_times_ms],
            "frame_sentence": [0, 0, 1, 1],
            "frame_size": [36, 64],
            "source": {"width": 640, "height": 360, "fps": 29.97, "codec": "h264", "duration_ms": 60_000},
            "meta": {"tags": ["x", {"y": None}]},
        }


def test_index_points_at_the_bytes(tmp_path: Path, markers: dict[str, Marker]) -> None:
    packed(tmp_path, markers)
    data = (tmp_path / "shards" / "train-000007.tar").read_bytes()
    table = pq.read_table(tmp_path / "index" / "train-000007.parquet")
    assert table.schema.equals(tables.INDEX)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        offsets = {m.name: (m.offset_data, m.size) for m in tar.getmembers()}
    for position, row in enumerate(table.to_pylist()):
        assert row["position"] == position
        assert {m["name"]: (m["offset"], m["size"]) for m in row["members"]} == {
            name: where for name, where in offsets.items() if name.startswith(row["key"])
        }
        contents = b"".join(data[m["offset"] : m["offset"] + m["size"]] for m in row["members"])
        assert hashlib.sha256(contents).hexdigest() == row["sha256"]
        entry = tables.entry_from_row(row)
        assert tables.index_row(entry) == row


def test_plain_webdataset_reads_it(tmp_path: Path, markers: dict[str, Marker]) -> None:
    packed(tmp_path, markers)
    url = str(tmp_path / "shards" / "train-000007.tar")
    samples = list(webdataset.WebDataset(url, shardshuffle=False))
    assert [s["__key__"] for s in samples] == [CLIPS[i].key for i in (0, 2, 3)]
    assert {tuple(k for k in s if not k.startswith("__")) for s in samples} == {
        ("json", "txt", "000.jpg", "001.jpg", "002.jpg", "003.jpg")
    }


def test_the_same_samples_give_the_same_bytes(tmp_path: Path, markers: dict[str, Marker]) -> None:
    first = packed(tmp_path, markers)
    index = (tmp_path / "index" / "train-000007.parquet").read_bytes()
    assert packed(tmp_path, dict(reversed(markers.items()))) == first
    assert (tmp_path / "index" / "train-000007.parquet").read_bytes() == index


def test_a_damaged_fragment_leaves_no_shard(tmp_path: Path, markers: dict[str, Marker]) -> None:
    for path in tmp_path.rglob("*.frag"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OSError, match="is damaged"):
        packed(tmp_path, markers)
    assert not list(tmp_path.glob("shards/*"))
    assert not list(tmp_path.glob("index/*"))


def test_a_clip_says_nothing_of_where_it_was_planned(tmp_path: Path, markers: dict[str, Marker]) -> None:
    first = packed(tmp_path, markers)
    moved = [replace(c, shard=9, position=c.position + 40) for c in CLIPS]
    assert pack(Layout(str(tmp_path)), "train", 7, samples_of(moved, markers)) == first


@given(st.sets(st.tuples(st.sampled_from(["train", "val"]), st.integers(0, 30))))
@settings(derandomize=True, max_examples=100)
def test_published_numbers_have_no_gap_and_keep_their_order(used: set[tuple[str, int]]) -> None:
    numbers = shard_numbers(used)
    assert set(numbers) == used
    for split in ("train", "val"):
        in_order = [numbers[place] for place in sorted(numbers) if place[0] == split]
        assert in_order == list(range(len(in_order)))
