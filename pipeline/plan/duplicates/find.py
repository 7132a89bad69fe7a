"""The Beam graph that finds duplicates: exact ones by a digest, near ones by shared bands, verified pair by pair.

Rows cross its joins as tables, by the names in them. Memory holds one part of a join at a time, and no group is quadratic, even
for a text that occurs a million times. Exact duplicates are taken out first, by a pass over names. After that, the pairs
in a band are in proportion to its entries (`survivors.candidate_pairs`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import AsSingleton, TaggedOutput

from longtake.pipeline.plan.duplicates.similarity import OF_TEXTS, Likeness
from longtake.pipeline.plan.duplicates.survivors import BAND_BYTES, Duplicate, candidate_pairs
from longtake.pipeline.read.buckets import values_of
from longtake.pipeline.run.batches import Batch, Batches, Pack, one_table, table_of
from longtake.pipeline.run.parts import NamesOf, by_part, count_parts
from longtake.pipeline.run.runner import batches_for

_ENTRIES_PER_PART = 200_000
_MAX_PARTS = 1024
_ROWS = 4096  # of a batch
_PAIRS = 65_536  # of a batch
_LINKS = 4  # rounds of following survivors: in chains of up to 2^4 duplicates, each finds the one that stays
_FOUND = "found"

_VALUES = pa.schema([("name", pa.binary()), ("value", pa.binary())])
_PAIR = pa.schema([("first", pa.binary()), ("second", pa.binary())])
_ASKED = pa.schema([("name", pa.binary()), ("by", pa.int32())])  # the part that wants the value of a name
_DUPLICATES = pa.schema([*((n, pa.binary()) for n in ("name", "like", "survivor")), ("similarity", pa.float64())])

Part: TypeAlias = tuple[int, Iterable[Batch]]
Joined: TypeAlias = tuple[int, dict[str, Iterable[Batch]]]


class FindDuplicates(beam.PTransform):
    """Takes (name, value), where values are normalised texts or whatever `likeness` compares. Gives batches of duplicates
    (`duplicates_of`): one for each value that repeats a value of a better rank."""

    def __init__(self, threshold: float, likeness: Likeness = OF_TEXTS) -> None:
        super().__init__()
        self._threshold, self._likeness = threshold, likeness

    def expand(self, values: Any) -> Any:
        batches, likeness = batches_for(values.pipeline.options), self._likeness
        packed = values | "Pack" >> beam.ParDo(Pack(partial(_table_of_values, likeness), batches, _ROWS))
        parts = AsSingleton(count_parts(packed, max(1, _ENTRIES_PER_PART // likeness.n_bands), _MAX_PARTS))
        same = (
            packed
            | "Digest" >> beam.FlatMap(by_part, batches, parts, partial(_digests, likeness))
            | "Same" >> beam.GroupByKey()
            | "First of same" >> beam.FlatMap(_first_of_same, likeness, batches).with_outputs(_FOUND, main="distinct")
        )
        found = (same[_FOUND], self._near(same.distinct, batches, parts)) | "Found" >> beam.Flatten()
        for round_ in range(_LINKS):
            found = _follow(found, f"Follow {round_ + 1}", batches, parts)
        return found

    def _near(self, values: Any, batches: Batches, parts: AsSingleton) -> Any:
        """Duplicates for the distinct values that are similar to values of a better rank; `like` is the first of them."""
        pairs = (
            values
            | "Bands" >> beam.FlatMap(_entries, self._likeness, batches, parts)
            | "By part of band" >> beam.GroupByKey()
            | "Candidates" >> beam.FlatMap(_candidates, batches, parts)
        )
        asked = pairs | "Ask for the first" >> beam.FlatMap(_asked, batches, parts)
        by_name = values | "By name" >> beam.FlatMap(by_part, batches, parts, _column("name"))
        sent = (
            {"values": by_name, "asked": asked}
            | "Asked" >> beam.CoGroupByKey()
            | "Send" >> beam.FlatMap(_sent, batches)
        )
        return (
            {"values": by_name, "sent": sent, "pairs": pairs}
            | "Values of pairs" >> beam.CoGroupByKey()
            | "Verify" >> beam.FlatMap(_verify, self._likeness, self._threshold, batches)
        )


def duplicates_of(batches: Iterable[Batch]) -> Iterator[Duplicate]:
    """Yield the duplicates of batches."""
    for batch in batches:
        table = table_of(batch)
        similarities = table["similarity"].to_pylist()
        yield from map(Duplicate, *(values_of(table, name) for name in _DUPLICATES.names[:3]), similarities)


def _table_of_values(likeness: Likeness, values: Sequence[tuple[bytes, Any]]) -> pa.Table:
    return _table(_VALUES, ((name, likeness.to_bytes(value)) for name, value in values))


def _table(schema: pa.Schema, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _column(name: str) -> NamesOf:
    """A function that gives the values of a column."""
    return partial(values_of, name=name)


def _digests(likeness: Likeness, values: pa.Table) -> Iterator[bytes]:
    return (likeness.digest(likeness.from_bytes(value)) for value in values_of(values, "value"))


def _first_of_same(element: Part, likeness: Likeness, batches: Batches) -> Iterator[Any]:
    """Yield the values of a part, each once with the name that ranks first, and duplicates for the others. Several passes,
    no list: one value may be in all batches."""
    _, same = element
    first: dict[bytes, bytes] = {}
    for table in map(table_of, same):
        for digest, name in zip(_digests(likeness, table), values_of(table, "name"), strict=True):
            first[digest] = min(name, first.get(digest, name))
    stays = pa.array(set(first.values()), pa.binary())
    distinct = (table.filter(pc.is_in(table["name"], value_set=stays)) for table in map(table_of, same))
    yield from _gathered(distinct, batches)
    others = (_others(table, first, likeness) for table in map(table_of, same))
    yield from (TaggedOutput(_FOUND, batch) for batch in _gathered(others, batches))


def _others(values: pa.Table, first: dict[bytes, bytes], likeness: Likeness) -> pa.Table:
    named = zip(values_of(values, "name"), _digests(likeness, values), strict=True)
    return _table(_DUPLICATES, [(n, first[digest], first[digest], None) for n, digest in named if n != first[digest]])


def _gathered(tables: Iterable[pa.Table], batches: Batches) -> Iterator[Batch]:
    """Yield the rows of tables as batches of many rows: each will be divided again."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in filter(len, tables):
        waiting.append(table)
        rows += len(table)
        if rows >= _ROWS:
            yield batches.of(pa.concat_tables(waiting).combine_chunks())
            waiting, rows = [], 0
    if waiting:
        yield batches.of(pa.concat_tables(waiting).combine_chunks())


def _entries(batch: Batch, likeness: Likeness, batches: Batches, parts: int) -> Iterator[tuple[int, Batch]]:
    """Yield each band with the name, by part of the bands. Few large parts cost far less than a group per band."""
    values = table_of(batch)
    found = zip(values_of(values, "name"), values_of(values, "value"), strict=True)
    entries = [band + name for name, value in found for band in likeness.bands(likeness.from_bytes(value))]
    table = pa.table({"entry": pa.array(entries, pa.binary())})
    yield from batches.by_bucket(table, (entry[:BAND_BYTES] for entry in entries), parts)


def _candidates(element: Part, batches: Batches, parts: int) -> Iterator[tuple[int, Batch]]:
    """Yield the pairs of names that share a band, by part of the second name."""
    _, entries = element
    pairs = candidate_pairs(entry for batch in entries for entry in values_of(table_of(batch), "entry"))
    while some := set(islice(pairs, _PAIRS)):
        table = _table(_PAIR, some)
        yield from batches.by_bucket(table, values_of(table, "second"), parts)


def _asked(element: tuple[int, Batch], batches: Batches, parts: int) -> Iterator[tuple[int, Batch]]:
    """Yield the first names of pairs, by their part."""
    by, batch = element
    names = pc.unique(table_of(batch)["first"])
    table = pa.table([names, pa.array([by] * len(names), pa.int32())], schema=_ASKED)
    yield from batches.by_bucket(table, values_of(table, "name"), parts)


def _sent(element: Joined, batches: Batches) -> Iterator[tuple[int, Batch]]:
    """Yield the values that were asked for, each once to each part that asked."""
    _, sides = element
    asked: defaultdict[int, set[bytes]] = defaultdict(set)
    for table in map(table_of, sides["asked"]):
        for name, by in zip(values_of(table, "name"), values_of(table, "by"), strict=True):
            asked[by].add(name)
    if not asked:
        return
    values = one_table(sides["values"], _VALUES)
    for by, names in asked.items():
        yield by, batches.of(values.filter(pc.is_in(values["name"], value_set=pa.array(sorted(names), pa.binary()))))


def _verify(element: Joined, likeness: Likeness, threshold: float, batches: Batches) -> Iterator[Batch]:
    """Yield duplicates for the second names of a part's pairs, each with the first name that is similar enough."""
    _, sides = element
    pairs: set[tuple[bytes, bytes]] = set()
    for table in map(table_of, sides["pairs"]):
        pairs.update(zip(values_of(table, "second"), values_of(table, "first"), strict=True))
    if not pairs:
        return
    wanted = pa.array(sorted({name for pair in pairs for name in pair}), pa.binary())
    values: dict[bytes, Any] = {}
    for table in map(table_of, [*sides["values"], *sides["sent"]]):
        table = table.filter(pc.is_in(table["name"], value_set=wanted))
        values.update(zip(values_of(table, "name"), map(likeness.from_bytes, values_of(table, "value")), strict=True))
    rows: dict[bytes, tuple[bytes, bytes, bytes, float]] = {}
    for second, first in sorted(pairs):
        if second not in rows and (found := likeness.similarity(values[first], values[second])) >= threshold:
            rows[second] = second, first, first, found
    yield batches.of(_table(_DUPLICATES, rows.values()))


def _follow(found: Any, label: str, batches: Batches, parts: AsSingleton) -> Any:
    """If the survivor of a duplicate is itself a duplicate, replace it by its survivor."""
    by_survivor = found | f"{label}: survivor" >> beam.FlatMap(by_part, batches, parts, _column("survivor"))
    by_name = found | f"{label}: name" >> beam.FlatMap(_survivors, batches, parts)
    return (
        {"found": by_survivor, "survivor": by_name}
        | f"{label}: join" >> beam.CoGroupByKey()
        | f"{label}: step" >> beam.FlatMap(_step, batches)
    )


def _survivors(batch: Batch, batches: Batches, parts: int) -> Iterator[tuple[int, Batch]]:
    table = table_of(batch).select(["name", "survivor"])
    yield from batches.by_bucket(table, values_of(table, "name"), parts)


def _step(element: Joined, batches: Batches) -> Iterator[Batch]:
    _, sides = element
    further: dict[bytes, bytes] = {}
    for table in map(table_of, sides["survivor"]):
        further.update(zip(values_of(table, "name"), values_of(table, "survivor"), strict=True))
    yield from _gathered((_followed(table, further) for table in map(table_of, sides["found"])), batches)


def _followed(duplicates: pa.Table, further: dict[bytes, bytes]) -> pa.Table:
    survivors = pa.array([further.get(name, name) for name in values_of(duplicates, "survivor")], pa.binary())
    at = _DUPLICATES.names.index("survivor")
    return duplicates.set_column(at, _DUPLICATES.field(at), survivors)
