import gzip
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from longtake.pipeline.parse.lines import Line, parse_json
from longtake.pipeline.read import line_source
from longtake.pipeline.read.line_source import ReadLines, blocks_of, check_columns, count_lines, files_of, read_block
from longtake.pipeline.run.runner import pipeline_options
from longtake.schemas.errors import ConfigError
from longtake.schemas.reasons import Reason
from longtake.schemas.records import Drop

Numbered = list[tuple[int, bytes | dict[str, Any]]]


def read(path: Path) -> Numbered:
    """All lines of a file as the graph reads them: blocks counted, then read, each on its own."""
    blocks = blocks_of(str(path))
    counts = {block.number: count_lines(block) for block in blocks}
    found: Numbered = []
    for block in random.Random(1).sample(blocks, len(blocks)):
        first = 1 + sum(counts[number] for number in range(block.number))
        found += [(line.number, line.data) for line in read_block(block, first)]
    return sorted(found, key=lambda pair: pair[0])


def naive(data: bytes) -> Numbered:
    return [(n, line.rstrip(b"\r\n")) for n, line in enumerate(data.split(b"\n"), 1) if line.rstrip(b"\r\n")]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_source, "_BLOCK_BYTES", 7)


def test_blocks_give_what_a_naive_reader_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rng = random.Random(7)
    for number in range(400):
        pieces = [b"\n", b"\r\n", b"\n\n", b"", b"a", b"bcd", b"0123456789", b"\xff\x00", b"x" * 23]
        data = b"".join(rng.choice(pieces) for _ in range(rng.randrange(0, 40)))
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(data)
        monkeypatch.setattr(line_source, "_BLOCK_BYTES", rng.randrange(1, 30))
        assert read(path) == naive(data), (data, line_source._BLOCK_BYTES)


@given(st.binary(max_size=60), st.integers(1, 20))
@settings(derandomize=True, max_examples=150, deadline=None)
def test_blocks_give_what_a_naive_reader_gives_for_any_bytes(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_source, "_BLOCK_BYTES", size)
        assert read(path) == naive(data)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("data", [b"", b"\n\n\n", b"one", b"one\r\ntwo", b"one\r\n\r\nthree\n", b"1234567\n1234567\n"])
def test_ends_of_lines_and_of_files(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(data)
    assert read(tmp_path / "a.jsonl") == naive(data)


@pytest.mark.parametrize("block", [5, 16, 1000])
def test_an_overlong_line_is_cut_and_does_not_shift_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, block: int
) -> None:
    monkeypatch.setattr(line_source, "_MAX_LINE_BYTES", 16)
    monkeypatch.setattr(line_source, "_BLOCK_BYTES", block)
    long = b'{"video_id": "v", "uri": "v.mp4"}'
    data = b'{"a": 1}\n' + long + b"\n" + b"y" * 16 + b"\n" + b"z" * 15 + b"\nend"
    (tmp_path / "a.jsonl").write_bytes(data)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(data))
    for name in ("a.jsonl", "a.jsonl.gz"):
        assert read(tmp_path / name) == [
            (1, b'{"a": 1}'),
            (2, long[:16]),
            (3, b"y" * 16),
            (4, b"z" * 15),
            (5, b"end"),
        ]
    parsed = parse_json(Line("a.jsonl", 2, long[:16]))
    assert isinstance(parsed, Drop)
    assert parsed.reason is Reason.MALFORMED


def test_a_file_that_shrinks_while_it_is_read_ends_earlier(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"one\ntwo\nthree\n")
    (block,) = blocks_of(str(tmp_path / "a.jsonl"))
    (tmp_path / "a.jsonl").write_bytes(b"one\n")
    assert [line.data for line in read_block(block, 1)] == [b"one"]


def test_gzip_is_read_as_one_block(tmp_path: Path) -> None:
    data = b"".join(b"line %d\r\n\n" % i for i in range(500))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(data[:1000]) + gzip.compress(data[1000:]))
    assert len(blocks_of(str(tmp_path / "a.jsonl.gz"))) == 1
    assert read(tmp_path / "a.jsonl.gz") == naive(data)


def test_truncated_gzip_gives_what_is_whole_and_then_says_so(tmp_path: Path) -> None:
    rng = random.Random(3)
    lines = [b'{"n": %d}' % rng.randrange(10**15) for _ in range(3000)]
    packed = gzip.compress(b"\n".join(lines) + b"\n")
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) * 2 // 3])
    found = read(tmp_path / "a.jsonl.gz")
    whole = [data for _, data in found[:-1]]
    assert 0 < len(whole) < len(lines)
    assert whole == lines[: len(whole)]
    number, last = found[-1]
    assert number == len(found)
    parsed = parse_json(Line("a.jsonl.gz", number, last))
    assert isinstance(parsed, Drop)
    assert parsed.reason is Reason.MALFORMED
    assert "gzip data breaks off here" in parsed.detail
    assert parsed.detail.startswith(f"a.jsonl.gz:{number}: ")


# gzip's header carries the second it was written in, which would be part of the case's name: every process has to find the same.
@pytest.mark.parametrize(
    "data",
    [b"this is no gzip", b"\x1f\x8b\x08\x00garbage!", gzip.compress(b"x" * 99, mtime=0)[:-9] + b"bad trail"],
    ids=["other", "header", "trailer"],
)
def test_damaged_gzip_is_a_line_of_its_own(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(data)
    found = read(tmp_path / "a.jsonl.gz")
    assert b"breaks off here" in found[-1][1]


def test_parquet_rows_are_numbered_over_row_groups(tmp_path: Path) -> None:
    rows = [
        {"video_id": f"v{i}", "clip": [{"clip_id": f"v{i}.1", "span": ["00:00:01.000", "00:00:02.000"]}]}
        for i in range(11)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=3)
    assert len(blocks_of(str(tmp_path / "a.parquet"))) == 4
    assert read(tmp_path / "a.parquet") == list(enumerate(rows, 1))


def test_a_file_that_is_no_parquet_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing of it")
    with pytest.raises(ConfigError, match=r"a\.parquet: not a Parquet file"):
        blocks_of(str(tmp_path / "a.parquet"))


def test_wildcards_name_files_of_one_folder(tmp_path: Path) -> None:
    for name in ("part-2.jsonl", "part-1.jsonl", "part-10.jsonl.gz", "other.jsonl", ".tmp-part-1.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "part-3.jsonl").mkdir()
    names = [Path(f).name for f in files_of(str(tmp_path / "part-*.jsonl"))]
    assert names == ["part-1.jsonl", "part-2.jsonl"]
    assert [Path(f).name for f in files_of(str(tmp_path / "part-?.jsonl*"))] == names
    assert files_of(str(tmp_path / "other.jsonl")) == [str(tmp_path / "other.jsonl")]
    for missing in ("part-4.jsonl", "nothing-*.jsonl"):
        with pytest.raises(ConfigError, match="no such file"):
            files_of(str(tmp_path / missing))


@pytest.mark.usefixtures("small_blocks")
def test_the_transform_numbers_the_lines_of_each_file(tmp_path: Path) -> None:
    import apache_beam as beam
    from apache_beam.testing.util import assert_that, equal_to

    (tmp_path / "part-1.jsonl").write_bytes(b"one\n\nthree\r\nfour is long\n")
    (tmp_path / "part-2.jsonl").write_bytes(b"uno")
    (tmp_path / "part-3.jsonl").write_bytes(b"")
    with beam.Pipeline(options=pipeline_options([], 1, one_thread=True)) as root:
        lines = root | ReadLines(str(tmp_path / "part-*.jsonl"))
        found = lines | beam.Map(lambda line: (Path(line.file).name, line.number, line.data))
        assert_that(
            found,
            equal_to(
                [
                    ("part-1.jsonl", 1, b"one"),
                    ("part-1.jsonl", 3, b"three"),
                    ("part-1.jsonl", 4, b"four is long"),
                    ("part-2.jsonl", 1, b"uno"),
                ]
            ),
        )


def test_a_parquet_row_that_is_no_text_costs_that_row(tmp_path: Path) -> None:
    path = tmp_path / "videos.parquet"
    texts = pa.array([b"v1", b"\xff\xfe", b"v3"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"video_id": texts}), path)
    found = [line for block in blocks_of(str(path)) for line in read_block(block, 1)]
    assert [line.data for line in found] == [{"video_id": "v1"}, b"\xff\xfe", {"video_id": "v3"}]
    assert [line.number for line in found] == [1, 2, 3]


def test_damaged_parquet_rows_are_a_line_for_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "videos.parquet"
    rows = [{"video_id": f"v{i}", "url": f"https://example.org/{i}" * 50} for i in range(20)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=10, compression="zstd")
    data = bytearray(path.read_bytes())
    place = pq.ParquetFile(path).metadata.row_group(1).column(1).data_page_offset
    data[place : place + 40] = b"\xff" * 40
    path.write_bytes(data)
    found = [line.data for block in blocks_of(str(path)) for line in read_block(block, 1 + 10 * block.number)]
    assert [row["video_id"] for row in found[:10] if isinstance(row, dict)] == [f"v{i}" for i in range(10)]
    assert len(found) == 11
    assert isinstance(found[10], bytes)
    assert found[10].startswith(b"rows that cannot be read: ")


def test_a_parquet_file_without_its_end_is_named(tmp_path: Path) -> None:
    path = tmp_path / "videos.parquet"
    pq.write_table(pa.table({"video_id": ["v"]}), path)
    data = path.read_bytes()
    for damaged in (data[:-20], data[:-40] + b"\xff" * 32 + data[-8:]):
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match=r"videos\.parquet: not a Parquet file, or a damaged one: "):
            check_columns(str(path), ("video_id",))
