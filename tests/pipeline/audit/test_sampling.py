"""The sample for review: drawn again here by plain Python from the rows, and the same whatever the files look like."""

import hashlib
import math
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.sampling import ReviewSample, allocate, draw, is_of, read_sample, sample_path, write_sample
from longtake.schemas import tables
from longtake.schemas.errors import ConfigError
from longtake.schemas.keys import sample_key
from longtake.schemas.layout import Layout

HOSTILE = 'a",b\n=1+1|<script>'


def rows_of(number: int, seed: int = 0) -> list[dict[str, Any]]:
    random_ = random.Random(seed)
    rows = []
    for n in range(number):
        video = f"video-{n // 3}" if n % 50 else f"{HOSTILE}{n}"
        start, length = n % 3 * 100_000, int(random_.lognormvariate(10, 0.6))
        rows.append(
            {
                "key": sample_key(video, start, start + length),
                "video_id": video,
                "split": "val" if n % 11 == 0 else "train",
                "url": f"https://user:secret@Host-{n % 4}.example:80/watch?v={n}",
                "start_ms": start,
                "end_ms": start + length,
                "language": (None, "", "en", "fr")[n % 4],
                "coherence": (None, float("nan"), n / number, 1 - n / number)[n % 4],
            }
        )
    return rows


def write_index(root: Path, rows: list[dict[str, Any]], files: int = 1) -> Database:
    (root / "index").mkdir(parents=True, exist_ok=True)
    for n in range(files):
        pq.write_table(tables.table(rows[n::files], tables.INDEX), root / "index" / f"train-{n:06d}.parquet")
    return Database(Layout(str(root)))


def md5(seed: int, key: str) -> str:
    return hashlib.md5(f"{seed}:{key}".encode()).hexdigest()  # noqa: S324


def third(value: float, values: list[float]) -> int:
    """Which third of the sorted values it is in: the bounds are the values at a third and two thirds."""
    ordered = sorted(values)
    bounds = [ordered[math.ceil(len(ordered) * part / 3) - 1] for part in (1, 2)]
    return sum(value > bound for bound in bounds)


def test_each_stratum_gives_its_share_of_the_lowest_hashes(tmp_path: Path) -> None:
    rows = rows_of(1000)
    drawn = draw(write_index(tmp_path, rows), 120, 7)
    seconds = [float(row["end_ms"] - row["start_ms"]) for row in rows]
    strata: dict[tuple[str, int], list[str]] = defaultdict(list)
    for row, length in zip(rows, seconds, strict=True):
        strata[row["split"], third(length, seconds)].append(row["key"])
    assert len(drawn) == 120 and len(strata) == 6
    by_key = {one.key: one for one in drawn}
    taken: dict[tuple[str, int], int] = {}
    for stratum, keys in strata.items():
        own = [by_key[key] for key in keys if key in by_key]
        taken[stratum] = len(own)
        assert {one.key for one in own} == set(sorted(keys, key=lambda key: md5(7, key))[: len(own)])
        assert abs(len(own) - 120 * len(keys) / 1000) < 1
        assert len({one.stratum for one in own}) == 1
        assert {(one.stratum_size, one.weight) for one in own} == {(len(keys), len(keys) / len(own))}
    assert sum(taken.values()) == 120
    assert sum(one.weight for one in drawn) == pytest.approx(1000)
    assert {one.split for one in drawn} == {"train", "val"} and {one.seed for one in drawn} == {7}
    videos = {row["key"]: row["video_id"] for row in rows}
    assert all(videos[one.key] == one.video_id for one in drawn)


def test_neither_rows_nor_files_nor_threads_matter(tmp_path: Path) -> None:
    rows = rows_of(3000)
    first = draw(write_index(tmp_path / "one", rows), 90, 1, ("split", "seconds", "language"))
    random.Random(5).shuffle(rows)
    for number, threads in ((1, 1), (7, 4)):
        database = write_index(tmp_path / f"{number}", rows, number)
        database.connection.execute(f"SET threads = {threads}")
        assert draw(database, 90, 1, ("split", "seconds", "language")) == first
        assert {one.key for one in draw(database, 90, 2)} != {one.key for one in first}


def test_whoever_stops_early_has_reviewed_all_strata_about_evenly(tmp_path: Path) -> None:
    drawn = draw(write_index(tmp_path, rows_of(2000)), 200, 3)
    whole = Counter(one.stratum for one in drawn)
    for stop in (50, 100, 150):
        part = Counter(one.stratum for one in drawn[:stop])
        assert all(abs(part[stratum] - stop / 200 * number) <= 1.5 for stratum, number in whole.items())


@pytest.mark.parametrize("size", [40, 41, 1000])
def test_a_larger_sample_than_the_corpus_is_all_of_it(tmp_path: Path, size: int) -> None:
    rows = rows_of(40)
    drawn = draw(write_index(tmp_path, rows), size)
    assert sorted(one.key for one in drawn) == sorted(row["key"] for row in rows)
    assert {one.weight for one in drawn} == {1.0}


def test_strata_of_any_columns(tmp_path: Path) -> None:
    database = write_index(tmp_path, rows_of(400))
    of_hosts = {one.stratum for one in draw(database, 40, strata=("host",))}
    assert of_hosts == {f"host host-{n}.example" for n in range(4)}
    of_languages = draw(database, 40, strata=("language",))
    assert {one.stratum: one.stratum_size for one in of_languages} == {
        "language unknown": 200,
        "language en": 100,
        "language fr": 100,
    }
    of_numbers = draw(database, 40, strata=("coherence",))  # with nulls, and with values that are no numbers
    sizes = {one.stratum: one.stratum_size for one in of_numbers}
    assert sum(sizes.values()) == 400 and sizes["coherence unknown"] == 100
    assert [one.stratum for one in draw(database, 5, strata=())] == ["all"] * 5


def test_strata_with_names_that_look_alike_stay_apart(tmp_path: Path) -> None:
    rows = rows_of(30)
    for n, row in enumerate(rows):
        row["license"] = ("", "unknown", "x" * 90, "x" * 91, "<b>\n|", "<b>\\n|")[n % 6]
    drawn = draw(write_index(tmp_path, rows), 12, strata=("license",))
    assert Counter(one.stratum for one in drawn) == Counter({one.stratum: 2 for one in drawn})
    assert len({one.stratum for one in drawn}) == 6 and {one.stratum_size for one in drawn} == {5}
    assert all(one.stratum.isprintable() for one in drawn)


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    database = write_index(tmp_path, rows_of(40))
    with pytest.raises(
        ConfigError, match=r"no column 'licence' to stratify by; use some of .*\blicense\b.*\bseconds\b"
    ):
        draw(database, 5, strata=("split", "licence"))
    with pytest.raises(ConfigError, match="no column"):
        draw(database, 5, strata=('split"; DROP TABLE x; --',))
    with pytest.raises(ConfigError, match="no column"):
        draw(database, 5, strata=("sentences",))  # a list
    with pytest.raises(ConfigError, match=r"key make 40 strata, more than the 5 samples"):
        draw(database, 5, strata=("key",))
    with pytest.raises(ConfigError, match="at least 1"):
        draw(database, 0)
    assert {one.stratum for one in draw(database, 2)} == {"split train", "split val"}, "default strata give way"
    assert {one.stratum for one in draw(database, 1)} == {"all"}
    with pytest.raises(ConfigError, match="no samples"):
        draw(write_index(tmp_path / "empty", []), 5)


@pytest.mark.parametrize(
    ("sizes", "total", "wanted"),
    [
        ([100], 7, [7]),
        ([60, 40], 10, [6, 4]),
        ([997, 2, 1], 10, [7, 2, 1]),  # two of each where there are two
        ([997, 2, 1], 4, [2, 1, 1]),  # that would be too many: one of each
        ([5, 3, 2], 10, [5, 3, 2]),
        ([1, 1, 1], 3, [1, 1, 1]),
        ([10, 10, 10], 10, [4, 3, 3]),
    ],
)
def test_allocation(sizes: list[int], total: int, wanted: list[int]) -> None:
    assert allocate(sizes, total) == wanted


def test_allocation_gives_what_is_asked_for_and_no_more_than_there_is() -> None:
    random_ = random.Random(0)
    for _ in range(2000):
        sizes = [int(random_.paretovariate(0.6)) % 1000 + 1 for _ in range(random_.randint(1, 12))]
        total = random_.randint(len(sizes), sum(sizes))
        given = allocate(sizes, total)
        least = 2 if sum(min(n, 2) for n in sizes) <= total else 1
        assert sum(given) == total
        assert all(min(n, least) <= one <= n for n, one in zip(sizes, given, strict=True))


def test_the_file_comes_back(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    assert read_sample(layout) is None
    database = write_index(tmp_path, rows_of(100))
    drawn = draw(database, 30, 5, ("split", "host"))
    hostile = ReviewSample("x-000000000-000000001", HOSTILE + "\r\n'", HOSTILE, HOSTILE, 3, 1.5, -1)
    write_sample(layout, [*drawn, hostile])
    assert read_sample(layout) == [*drawn, hostile]
    header = Path(sample_path(layout)).read_text().partition("\n")[0]
    assert header == "key,video_id,split,stratum,stratum_size,weight,seed"
    read_by_others = duckdb.execute("SELECT key, weight FROM read_csv(?, header = true)", [sample_path(layout)])
    assert read_by_others.fetchall() == [(one.key, one.weight) for one in [*drawn, hostile]]


@pytest.mark.parametrize(
    "damage",
    [
        "key,video_id\nx,y\n",
        "key,video_id,split,stratum,stratum_size,weight,seed\n../x,v,train,s,3,1.5,0\n",
        "key,video_id,split,stratum,stratum_size,weight,seed\nx-000000000-000000001,v,train,s,0,1.5,0\n",
        "key,video_id,split,stratum,stratum_size,weight,seed\nx-000000000-000000001,v,train,s,3,nan,0\n",
        "key,video_id,split,stratum,stratum_size,weight,seed\nx-000000000-000000001,v,train\n",
        'key,video_id,split,stratum,stratum_size,weight,seed\n"x\n',
    ],
)
def test_a_damaged_file_is_a_clear_error(tmp_path: Path, damage: str) -> None:
    layout = Layout(str(tmp_path))
    write_sample(layout, [])
    Path(sample_path(layout)).write_text(damage)
    with pytest.raises(ConfigError, match=r"sample\.csv: not a sample for review: .* Draw it again"):
        read_sample(layout)


def test_a_sample_is_of_the_corpus_it_was_drawn_from(tmp_path: Path) -> None:
    rows = rows_of(100)
    drawn = draw(write_index(tmp_path / "one", rows), 20)
    assert is_of(write_index(tmp_path / "same", rows[::-1], 3), drawn)
    left = [row for row in rows if row["key"] != drawn[0].key]
    assert not is_of(write_index(tmp_path / "less", left), drawn)
    unseen = next(row for row in rows if row["key"] not in {one.key for one in drawn})
    other = [row if row is not unseen else row | {"key": "other-000000000-000000001"} for row in rows]
    assert is_of(write_index(tmp_path / "other", other), drawn), "what was not drawn may have another name"
    assert not is_of(write_index(tmp_path / "more", [*rows, other[0] | {"key": "more-000000000-000000001"}]), drawn)
