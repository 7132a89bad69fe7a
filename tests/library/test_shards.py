"""Reading ranges of shards, and naming what is damaged."""

import json
from pathlib import Path

import data_corpora
import pytest
from data_corpora import PER_SENTENCE, Members

from longtake.library.shards import (
    DamagedSample,
    LoaderError,
    RawSample,
    ShardReader,
    WantedFrames,
    read_index,
    read_texts,
)
from longtake.schemas import storage
from longtake.schemas.layout import Layout

SHARD = "train-000000"


def everything(reader: ShardReader, position: int, sentences: int) -> RawSample | DamagedSample:
    return reader.read([WantedFrames(SHARD, position, 0, sentences * PER_SENTENCE)])[0]


def test_frames_asked_for_are_those_of_the_tar(tmp_path: Path) -> None:
    keys = data_corpora.make(tmp_path / "c", [[4, 6, 5]])
    wanted = [WantedFrames(SHARD, 2, 4, 8), WantedFrames(SHARD, 0, 0, 8), WantedFrames(SHARD, 1, 11, 12)]
    found = ShardReader(Layout(str(tmp_path / "c"))).read(wanted)
    for one, raw in zip(wanted, found, strict=True):
        assert isinstance(raw, RawSample)
        assert raw.jpegs == [data_corpora.picture(one.position, n) for n in range(one.first, one.last)]
        assert json.loads(raw.json)["key"] == keys[one.position]


def test_only_the_bytes_of_the_window_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_corpora.make(tmp_path / "c", [[8, 8]])
    asked: list[int] = []
    plain = storage.read_ranges

    def counting(paths: list[str], starts: list[int], ends: list[int]) -> list[bytes | Exception]:
        asked.extend(end - start for start, end in zip(starts, ends, strict=True))
        return plain(paths, starts, ends)

    monkeypatch.setattr(storage, "read_ranges", counting)
    reader = ShardReader(Layout(str(tmp_path / "c")))
    reader.read([WantedFrames(SHARD, 1, 10, 14)])
    index = reader.index(SHARD)
    frames = sum(512 + -(-len(data_corpora.picture(1, n)) // 512) * 512 for n in range(10, 14))
    assert asked == [int(index.ends[18] - index.starts[18]), frames]  # member 18: the JSON of the second sample


def test_names_longer_than_a_tar_header_are_read(tmp_path: Path) -> None:
    data_corpora.make(tmp_path / "c", [[4, 4]], key_of=lambda n: f"{n}" * 120 + "-000000000-000009000")
    raw = everything(ShardReader(Layout(str(tmp_path / "c"))), 1, 4)
    assert isinstance(raw, RawSample) and raw.jpegs[7] == data_corpora.picture(1, 7)


def test_a_shard_cut_off_loses_only_the_samples_behind_the_cut(tmp_path: Path) -> None:
    data_corpora.make(tmp_path / "c", [[4, 4, 4]])
    tar = tmp_path / "c" / "shards" / f"{SHARD}.tar"
    reader = ShardReader(Layout(str(tmp_path / "c")))
    index = reader.index(SHARD)
    tar.write_bytes(tar.read_bytes()[: int(index.starts[15]) + 700])  # within a frame of the second sample
    assert isinstance(everything(reader, 0, 4), RawSample)
    for position in (1, 2):
        damage = everything(reader, position, 4)
        assert isinstance(damage, DamagedSample) and damage.reason == "truncated"
    assert isinstance(reader.read([WantedFrames(SHARD, 1, 0, 2)])[0], RawSample)  # a window before the cut is whole


def test_a_missing_shard_is_unreadable(tmp_path: Path) -> None:
    data_corpora.make(tmp_path / "c", [[4]])
    (tmp_path / "c" / "shards" / f"{SHARD}.tar").unlink()
    damage = everything(ShardReader(Layout(str(tmp_path / "c"))), 0, 4)
    assert isinstance(damage, DamagedSample) and damage.reason == "unreadable" and "FileNotFoundError" in damage.detail


@pytest.mark.parametrize("shift", [512, 1])
def test_a_tar_that_is_not_the_index_ones_is_noticed(tmp_path: Path, shift: int) -> None:
    data_corpora.make(tmp_path / "c", [[4, 4]])
    tar = tmp_path / "c" / "shards" / f"{SHARD}.tar"
    tar.write_bytes(b"\0" * shift + tar.read_bytes())
    damage = everything(ShardReader(Layout(str(tmp_path / "c"))), 1, 4)
    assert isinstance(damage, DamagedSample) and damage.reason == "member"


def test_a_member_of_another_name_is_noticed(tmp_path: Path) -> None:
    def rename(key: str, members: Members) -> Members:
        return [(name.replace(".003.jpg", ".030.jpg"), data) for name, data in members]

    data_corpora.make(tmp_path / "c", [[4]], edit=rename)
    reader = ShardReader(Layout(str(tmp_path / "c")))
    damage = everything(reader, 0, 4)
    assert isinstance(damage, DamagedSample) and damage.reason == "member" and "003.jpg" in damage.detail
    assert isinstance(reader.read([WantedFrames(SHARD, 0, 4, 8)])[0], RawSample)


def test_json_must_be_of_the_sample_and_the_frames_where_expected() -> None:
    good = {"key": "k", "sentences": [{"text": "a"}, {"text": "b"}], "frame_sentence": [0, 0, 1, 1]}
    assert read_texts(json.dumps(good).encode(), "k", 2, 2) == ["a", "b"]
    bad = [
        {"key": "other"},
        {"sentences": [{"text": "a"}]},
        {"sentences": [{"text": "a"}, {"text": None}]},
        {"sentences": [{"text": "a"}, {}]},
        {"sentences": 3},
        {"frame_sentence": [0, 1, 0, 1]},
        {"frame_sentence": None},
    ]
    for change in bad:
        with pytest.raises(DamagedSample) as caught:
            read_texts(json.dumps(good | change).encode(), "k", 2, 2)
        assert caught.value.reason == "json"
    for data in (b"{", b"\xff\xfe\xfd", b"[]", b"null"):
        with pytest.raises(DamagedSample):
            read_texts(data, "k", 2, 2)


def test_a_broken_index_is_an_error_that_names_it(tmp_path: Path) -> None:
    data_corpora.make(tmp_path / "c", [[4]])
    path = tmp_path / "c" / "index" / f"{SHARD}.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(LoaderError, match=str(path)):
        read_index(Layout(str(tmp_path / "c")), SHARD)
