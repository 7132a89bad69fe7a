"""A stratified sample of a corpus for review, drawn by SQL from its index. The same seed gives the same sample everywhere."""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from longtake.pipeline.audit.database import Database
from longtake.schemas import storage
from longtake.schemas.errors import ConfigError
from longtake.schemas.keys import is_sample_key
from longtake.schemas.layout import Layout
from longtake.schemas.printable import printable

DEFAULT_STRATA = ("split", "seconds")
INDEX = "'index/*.parquet'"
_COMPUTED = {  # values that are no column of the index, but useful for strata
    "seconds": "(end_ms - start_ms)::DOUBLE / 1000",
    # what the plan or the ledger noted of a sample or its video, though it was kept
    "reason": """CASE WHEN duplicate_of IS NOT NULL THEN 'duplicate' WHEN duplicate_video_of IS NOT NULL THEN 'duplicate_video'
        WHEN coalesce(evaluation_overlap, '') <> '' THEN 'evaluation_overlap' ELSE coalesce(
        (SELECT min(why) FROM (SELECT subject_id AS noted, reason AS why FROM 'ledger/*.parquet' WHERE subject = 'note')
         WHERE noted = key),
        (SELECT min(why) FROM (SELECT subject_id AS noted, reason AS why FROM 'ledger/*.parquet' WHERE subject = 'note')
         WHERE noted = video_id), 'none') END""",
    "host": r"lower(regexp_extract(url, '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]+)', 1))",
}
_COMPUTED_TYPES = {"seconds": "DOUBLE", "host": "VARCHAR", "reason": "VARCHAR"}
_NUMERIC = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
_NUMERIC |= {"FLOAT", "DOUBLE"}
_PARTS = 3
_MOST = 100_000  # strata


@dataclass(frozen=True, slots=True)
class ReviewSample:
    """A sample drawn for review. Its stratum has `stratum_size` samples of the corpus, and it stands for `weight` of them."""

    key: str
    video_id: str
    split: str
    stratum: str  # such as "split train, seconds 2/3 (11.2 to 15)"
    stratum_size: int
    weight: float
    seed: int


COLUMNS = tuple(field.name for field in fields(ReviewSample))


def draw(database: Database, size: int, seed: int = 0, strata: Sequence[str] = DEFAULT_STRATA) -> list[ReviewSample]:
    """Draw `size` samples of a corpus, or all if it has no more.

    A stratum is a combination of column values; a numeric column is cut into three parts with about as many samples each. Each
    stratum gives its share by largest remainder, but at least 2 samples if `size` allows it, else 1. From each stratum, the
    samples with the lowest MD5 of "<seed>:<key>" are drawn, so the order of rows, files and threads does not matter. The result
    is in the order of review: wherever a curator stops, each stratum has had about its share.

    Raises ConfigError for a column that does not exist, and for more strata than samples to draw (but the default strata then
    lose their last columns instead).
    """
    if size < 1:
        raise ConfigError(f"a sample of {size}: draw at least 1")
    chosen = _Strata.of(database, list(dict.fromkeys(strata)))
    cells = chosen.cells(database)
    total = sum(cells.values())
    if total == 0:
        raise ConfigError("the index holds no samples to draw from")
    while len(cells) > min(size, total):
        if tuple(strata) != DEFAULT_STRATA:
            raise ConfigError(
                f"{', '.join(chosen.names)} make {len(cells):,} strata, more than the {min(size, total):,} samples to draw: "
                "name fewer columns or draw more samples"
            )
        chosen = replace(chosen, names=chosen.names[:-1])
        cells = chosen.cells(database)
    order = sorted(cells)
    taken = dict(zip(order, allocate([cells[cell] for cell in order], min(size, total)), strict=True))
    labels = chosen.labels(database, order)
    ranked: list[tuple[float, str, ReviewSample]] = []
    for cell, found in chosen.lowest(database, max(taken.values()), seed):
        wanted = taken[cell]
        for rank, (digest, key, video_id, split) in enumerate(found[:wanted]):
            one = ReviewSample(key, video_id, split, labels[cell], cells[cell], cells[cell] / wanted, seed)
            ranked.append(((rank + 0.5) / wanted, digest, one))
    return [one for *_, one in sorted(ranked, key=lambda entry: (entry[0], entry[1], entry[2].key))]


def allocate(sizes: Sequence[int], total: int) -> list[int]:
    """How many of `total` samples each stratum of `sizes` gives: shares by largest remainder, at least 2 (else 1) each, and
    never more than the stratum has. `total` is at least the number of strata and at most the sum of the sizes."""
    least = [min(n, 2) for n in sizes]
    if sum(least) > total:
        least = [1] * len(sizes)
    fixed: dict[int, int] = {}
    while True:  # strata below their minimum get it, and the others share the rest
        rest, among = total - sum(fixed.values()), sum(n for i, n in enumerate(sizes) if i not in fixed)
        below = {i: least[i] for i, n in enumerate(sizes) if i not in fixed and rest * n < least[i] * among}
        if not below:
            break
        fixed |= below
    free = [i for i in range(len(sizes)) if i not in fixed]
    given = [fixed.get(i, rest * n // among if among else 0) for i, n in enumerate(sizes)]
    by_remainder = sorted(free, key=lambda i: (-(rest * sizes[i] % among), i))
    for i in by_remainder[: total - sum(given)]:
        given[i] += 1
    return given


# -- SQL

Cell = tuple[str, ...]  # a stratum: for each column its value, or the number of a part if numeric; "" for null


@dataclass(frozen=True, slots=True)
class _Strata:
    """The columns that make the strata. `bounds` are the limits between the parts of numeric columns."""

    names: tuple[str, ...]
    bounds: dict[str, tuple[float, ...]]

    @classmethod
    def of(cls, database: Database, names: Sequence[str]) -> "_Strata":
        """Make strata from the columns `names`. Raises ConfigError for a column that does not exist."""
        types, bounds = _types(database), {}
        for name in names:
            if name not in types:
                there = ", ".join(sorted(types))
                raise ConfigError(f"no column {printable(name, 60)!r} to stratify by; use some of {there}")
            if types[name] in _NUMERIC or types[name].startswith("DECIMAL"):
                bounds[name] = _cut(database, name)
        return cls(tuple(names), bounds)

    def expression(self) -> str:
        """SQL for the stratum of a row."""
        parts = []
        for name in self.names:
            if name not in self.bounds:
                parts.append(f"coalesce({sql_value(name)}::VARCHAR, '')")
                continue
            value, bounds = f"({sql_value(name)})::DOUBLE", self.bounds[name]
            cases = " ".join(f"WHEN {value} <= '{bound!r}'::DOUBLE THEN '{n}'" for n, bound in enumerate(bounds, 1))
            parts.append(f"CASE WHEN {value} IS NULL THEN '' {cases} ELSE '{len(bounds) + 1}' END")
        return f"[{', '.join(parts)}]::VARCHAR[]"

    def cells(self, database: Database) -> dict[Cell, int]:
        """The number of samples in each stratum. Raises ConfigError if there are too many strata to hold."""
        query = f"SELECT {self.expression()} AS cell, count(*) FROM {INDEX} GROUP BY cell LIMIT {_MOST + 1}"
        rows = database.rows(query)
        if len(rows) > _MOST:
            raise ConfigError(f"{', '.join(self.names)} make more than {_MOST:,} strata: name fewer columns")
        return {tuple(cell): count for cell, count in rows}

    def lowest(
        self, database: Database, number: int, seed: int
    ) -> Iterator[tuple[Cell, list[tuple[str, str, str, str]]]]:
        """Yield each stratum with its `number` samples of lowest hash: (hash, key, video id, split). Holds no more samples than
        these."""
        query = f"""
            SELECT cell, min(one, {number}) FROM (
                SELECT {self.expression()} AS cell,
                       struct_pack(digest := md5(? || ':' || key), key := key, video_id := video_id, split := split) AS one
                FROM {INDEX}) GROUP BY cell"""
        for cell, found in database.rows(query, [str(seed)]):
            yield tuple(cell), sorted((one["digest"], one["key"], one["video_id"], one["split"]) for one in found)

    def labels(self, database: Database, cells: Sequence[Cell]) -> dict[Cell, str]:
        """A unique text for each stratum."""
        spans = {name: _spans(database, name, bounds) for name, bounds in self.bounds.items()}
        labels: dict[Cell, str] = {}
        used: Counter[str] = Counter()
        for cell in cells:
            values = zip(self.names, cell, strict=True)
            parts = [f"{n} {spans.get(n, {}).get(value) or printable(value, 80) or 'unknown'}" for n, value in values]
            label = ", ".join(parts) or "all"
            used[label] += 1
            labels[cell] = label if used[label] == 1 else f"{label} #{used[label]}"
        return labels


def _types(database: Database) -> dict[str, str]:
    """The columns that can make strata, and their types."""
    rows = database.rows(f"DESCRIBE SELECT * FROM {INDEX}")
    types = {name: kind for name, kind, *_ in rows if not kind.endswith("]") and not kind.startswith(("STRUCT", "MAP"))}
    return types | _COMPUTED_TYPES


def text_columns(database: Database) -> set[str]:
    """The columns whose values group samples, such as language; computed ones too."""
    return {name for name, kind in _types(database).items() if kind == "VARCHAR"}


def sql_value(name: str) -> str:
    """SQL for the value of a column, also of a computed one."""
    return _COMPUTED.get(name) or '"' + name.replace('"', '""') + '"'


def _cut(database: Database, name: str) -> tuple[float, ...]:
    """The bounds between the parts of a numeric column, fewer if many values are equal."""
    shares = ", ".join(f"{part}.0 / {_PARTS}" for part in range(1, _PARTS))
    query = f"SELECT quantile_disc(({sql_value(name)})::DOUBLE, [{shares}]) FROM {INDEX}"
    return tuple(sorted({bound for bound in database.value(query) or () if math.isfinite(bound)}))


def _spans(database: Database, name: str, bounds: tuple[float, ...]) -> dict[str, str]:
    """A text for each part of a numeric column."""
    query = f"SELECT min({sql_value(name)})::DOUBLE, max({sql_value(name)})::DOUBLE FROM {INDEX}"
    ((low, high),) = database.rows(query)
    if low is None or high is None:
        return {}
    ends = [low, *bounds, high]
    parts = len(ends) - 1
    return {
        str(n): f"{n}/{parts} ({'' if n == 1 else 'above '}{_number(ends[n - 1])} to {_number(ends[n])})"
        for n in range(1, parts + 1)
    }


def _number(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"


# -- the file


def sample_path(layout: Layout) -> str:
    """The path of a corpus's sample for review."""
    return layout.path("audit", "sample.csv")


def write_sample(layout: Layout, drawn: Iterable[ReviewSample]) -> None:
    """Write CORPUS/audit/sample.csv."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_text(getattr(one, name)) for name in COLUMNS] for one in drawn)
    storage.write_bytes(sample_path(layout), out.getvalue().encode())


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def read_sample(layout: Layout) -> list[ReviewSample] | None:
    """Read the sample as it was written; None if none was drawn. Raises ConfigError for a file that is not a sample."""
    path = sample_path(layout)
    if not storage.exists(path):
        return None
    drawn = []
    try:
        reader = csv.DictReader(io.StringIO(storage.read_bytes(path).decode(), newline=""), strict=True)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"its columns must be {', '.join(COLUMNS)}")
        for row in reader:
            size, weight = int(row["stratum_size"]), float(row["weight"])
            if not is_sample_key(row["key"]) or size < 1 or not 1 <= weight <= size:
                raise ValueError(f"line {reader.line_num} holds no key, size and weight of a sample")
            texts = (row["key"], row["video_id"], row["split"], row["stratum"])
            drawn.append(ReviewSample(*texts, size, weight, int(row["seed"])))
    except (ValueError, TypeError, csv.Error) as error:
        raise ConfigError(f"{path}: not a sample for review: {error}. Draw it again.") from None
    return drawn


def is_of(database: Database, drawn: Sequence[ReviewSample]) -> bool:
    """Whether a sample fits the corpus as it is now: all its keys exist, and the corpus has as many samples as when it was
    drawn."""
    query = f"SELECT count(*), count(*) FILTER (key IN (SELECT unnest(?::VARCHAR[]))) FROM {INDEX}"
    sizes = {one.stratum: one.stratum_size for one in drawn}
    return database.rows(query, [[one.key for one in drawn]]) == [(sum(sizes.values()), len(drawn))]
