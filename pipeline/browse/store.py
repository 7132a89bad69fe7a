"""Query the cache: pages of samples, the samples around one, facts about videos, the ledger. Safe for many threads."""

import bisect
import functools
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longtake.pipeline.browse.cache import Cache
from longtake.pipeline.browse.cache_tables import MEMORY
from longtake.pipeline.browse.kept import Kept
from longtake.pipeline.browse.row_order import order_of
from longtake.pipeline.browse.search_words import fts_query
from longtake.pipeline.browse.selection import ORDERS, RANDOM, SCORE_NAMES, Selection, conditions, labelled

Ids = npt.NDArray[np.int32]  # row numbers
Mask = npt.NDArray[np.bool_]  # for each row, whether it is chosen
_KEPT_MASKS, _KEPT_ORDERS, _KEPT_COLUMNS = 64, 24, 32
_SEARCH_SECONDS = 10
_FEW = 64  # keys that are looked up one by one
_FACETS = 100  # values of a column
LISTED = (
    "row_id, key, video_id, url, license, start_ms, end_ms, duration, n_sentences, n_words, words_per_second, coherence, split, "
    "shard, position, language, duplicate_of, duplicate_video_of, evaluation_overlap"
)


@dataclass(frozen=True, slots=True)
class ListPlace:
    """The place of a sample in a list: its number from 0, the length of the list, and the keys beside it."""

    number: int
    total: int
    before: str | None
    after: str | None


class SlowSearch(Exception):
    """A search took too long and was stopped."""


class Store:
    """The cache of a corpus, opened for reading only."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        config: Any = {"memory_limit": MEMORY, "temp_directory": "", "python_enable_replacements": False}
        self._tables = duckdb.connect(cache.tables, read_only=True, config=config)
        self._own = threading.local()
        self._masks = Kept[Mask](_KEPT_MASKS)
        self._orders = Kept[Ids](_KEPT_ORDERS)
        self._drops = Kept[Ids](_KEPT_ORDERS)
        self._columns = Kept[npt.NDArray[np.float32]](_KEPT_COLUMNS)
        files = self._tables.execute("SELECT first_row, shard FROM index_file ORDER BY first_row, shard").fetchall()
        self._files = [(int(first), str(shard)) for first, shard in files]
        names = [row[0] for row in self._tables.execute("DESCRIBE samples").fetchall()]
        self.columns = tuple(name for name in names if name != "row_id")
        self.rows = int(self._one("SELECT count(*) FROM samples"))
        self.facets = {name: self._facet(name) for name in ("split", "language", "license")}
        self._drop_counts = self.dicts(
            "SELECT subject, stage, reason, count(*) AS n FROM ledger GROUP BY ALL ORDER BY n DESC, subject, stage, reason"
        )
        self.measures = labelled(self._columns_with_values())

    def close(self) -> None:
        self._tables.close()

    @property
    def cursor(self) -> duckdb.DuckDBPyConnection:
        """The connection of this thread."""
        if not hasattr(self._own, "cursor"):
            self._own.cursor = self._tables.cursor()
        found: duckdb.DuckDBPyConnection = self._own.cursor
        return found

    @property
    def _words(self) -> sqlite3.Connection:
        if not hasattr(self._own, "words"):
            self._own.words = sqlite3.connect(f"file:{quote(self.cache.words)}?mode=ro&immutable=1", uri=True)
        found: sqlite3.Connection = self._own.words
        return found

    def _one(self, query: str, values: Sequence[Any] = ()) -> Any:
        rows = self.cursor.execute(query, list(values)).fetchall()  # a result not read to its end blocks the cursor
        return rows[0][0] if rows else None

    def dicts(self, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run a query and return its rows."""
        found = self.cursor.execute(query, list(values))
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def _facet(self, name: str) -> list[tuple[str, int]]:
        query = f"""
            SELECT coalesce({name}, ''), count(*) FROM samples
            GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_FACETS}"""  # noqa: S608  (one of three names)
        return [(str(value), int(count)) for value, count in self.cursor.execute(query).fetchall()]

    def _columns_with_values(self) -> list[str]:
        found = self.columns_with_numbers(("INTEGER", "BIGINT", "FLOAT", "DOUBLE"))
        return [measure.column for measure in labelled(found)]

    # -- choosing rows

    def mask(self, ids: Ids | Sequence[int]) -> Mask:
        """The mask that chooses the rows `ids`."""
        found = np.zeros(self.rows, bool)
        found[np.asarray(ids, np.int64)] = True
        return found

    def remembered(self, name: str, find: Callable[[], Ids]) -> Mask:
        """The mask of the rows named `name`, kept from a recent call or found now."""
        return self._masks.get(name, lambda: self.mask(find()))

    def remembered_mask(self, name: str, find: Callable[[], Mask]) -> Mask:
        """Like `remembered`, for rows that are found as a mask."""
        return self._masks.get(name, find)

    def rows_with(self, typed: str) -> Mask | None:
        """The rows with all words of `typed` in their texts; None if `typed` has no word. Raises SlowSearch."""
        query = fts_query(typed)
        return self.remembered(f"text {query}", lambda: self._search(query)) if query else None

    def rows_where(self, selection: Selection) -> list[Mask]:
        """A mask for each column condition of a selection."""
        masks = []
        for condition, value in conditions(selection):
            query = f"SELECT row_id FROM samples WHERE {condition}"  # noqa: S608  (of selection.conditions, not of a person)
            values = [] if value is None else [value]
            masks.append(self.remembered(f"{query} {value!r}", functools.partial(self._ids, query, values)))
        return masks

    def _ids(self, query: str, values: list[Any]) -> Ids:
        found = self.cursor.execute(query, values).fetchnumpy()
        return np.asarray(found["row_id"], np.int32)

    def _search(self, query: str) -> Ids:
        # One text with all numbers instead of one row each: common words are in a million rows.
        end = time.monotonic() + _SEARCH_SECONDS
        self._words.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        try:
            row = self._words.execute("SELECT group_concat(rowid) FROM words WHERE words MATCH ?", [query]).fetchone()
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise SlowSearch(f"stopped after {_SEARCH_SECONDS} seconds; search for rarer words") from None
            raise
        finally:
            self._words.set_progress_handler(None, 0)
        return np.fromstring(row[0], np.int32, sep=",") if row and row[0] else np.empty(0, np.int32)

    def order(self, selection: Selection) -> Ids | None:
        """All rows in the order of a selection; None for the order of the index. Rows without a value come last; equal rows
        keep the order of the index."""
        name, descending = selection.sort.removeprefix("-"), selection.sort.startswith("-")
        if not name or not self.rows:
            return None
        return self._orders.get(selection.sort, lambda: self._sorted(name, descending))

    def prepare(self) -> None:
        """Make the most wanted orders, so that nobody waits for them: this takes a second for a million rows."""
        for measure in self.measures:
            if measure.name not in SCORE_NAMES:
                for sort in (measure.name, f"-{measure.name}"):
                    self.order(Selection(sort=sort))

    def _sorted(self, name: str, descending: bool) -> Ids:
        if name == RANDOM:
            return np.random.default_rng(0).permutation(self.rows).astype(np.int32)
        values = self.values(ORDERS[name])
        return order_of(-values if descending else values)

    def values(self, column: str) -> npt.NDArray[np.float64]:
        """A numeric column, one value per row, NaN where there is none. `column` is one of ours, not of a person."""
        query = f"SELECT row_id, CAST({column} AS DOUBLE) AS value FROM samples"  # noqa: S608
        found = self.cursor.execute(query).fetchnumpy()
        values = np.full(self.rows, np.nan)
        values[np.asarray(found["row_id"])] = np.ma.filled(np.ma.asarray(found["value"]), np.nan)
        return values

    def seconds(self, mask: Mask | None) -> float:
        """The duration of the rows that a mask chooses, all rows without one."""
        durations = self.column("duration")
        return float(np.nansum(durations if mask is None else durations[np.flatnonzero(mask)], dtype=np.float64))

    def column(self, column: str) -> npt.NDArray[np.float32]:
        """A numeric column like `values`, kept for the next call."""
        return self._columns.get(column, lambda: self.values(column).astype(np.float32))

    def groups(self, column: str) -> tuple[npt.NDArray[np.int32], list[str]]:
        """A column of texts as groups: the place of each row's text in the list of all texts, -1 for "" and none. `column` is one
        of ours, not of a person."""
        query = f"SELECT DISTINCT {column} FROM samples WHERE {column} <> '' ORDER BY 1"  # noqa: S608
        names = [str(name) for (name,) in self.cursor.execute(query).fetchall()]
        places = pa.array(range(len(names)), pa.int32())
        self.cursor.register("grouped", pa.table({"name": pa.array(names, pa.string()), "place": places}))
        query = f"SELECT row_id, place FROM samples JOIN grouped ON {column} = name"  # noqa: S608
        found = self.cursor.execute(query).fetchnumpy()
        self.cursor.unregister("grouped")
        codes = np.full(self.rows, -1, np.int32)
        codes[np.asarray(found["row_id"])] = np.asarray(found["place"])
        return codes, names

    def columns_with_numbers(self, kinds: Sequence[str]) -> list[str]:
        """The columns of samples with one of these types that have a value in some row."""
        names = [row[0] for row in self.cursor.execute("DESCRIBE samples").fetchall() if row[1] in kinds]
        counts = self.cursor.execute(f"SELECT {', '.join(f'count({n})' for n in names)} FROM samples").fetchall()[0]  # noqa: S608
        return [name for name, count in zip(names, counts, strict=True) if count]

    def row_of(self, key: str) -> int | None:
        """The row number of a sample; None if there is none."""
        row = self._words.execute("SELECT row_id FROM keys WHERE key = ?", [key]).fetchone()
        return int(row[0]) if row else None

    def rows_of(self, keys: Sequence[str]) -> list[int | None]:
        if len(keys) <= _FEW:
            return [self.row_of(key) for key in keys]
        query = "SELECT key, row_id FROM samples WHERE key IN (FROM asked)"
        self.cursor.register("asked", pa.table({"key": pa.array(keys, pa.string())}))
        found = dict(self.cursor.execute(query).fetchall())
        self.cursor.unregister("asked")
        return [found.get(key) for key in keys]

    def keys_of(self, ids: Ids) -> list[str]:
        """The keys of rows, in the order of `ids`."""
        if len(ids) == 0:
            return []
        return [str(key) for (key,) in self._in_order("key", ids)]

    def file_of(self, row_id: int) -> tuple[str, int]:
        """The shard whose index holds a row, and the row's number in that index."""
        at = bisect.bisect_right(self._files, (row_id, "\U0010ffff")) - 1
        return self._files[at][1], row_id - self._files[at][0]

    # -- lists

    def page(
        self, masks: Sequence[Mask], order: Ids | None, offset: int, limit: int
    ) -> tuple[list[dict[str, Any]], int]:
        """The rows `offset` to `offset + limit` of the rows that all masks choose, in an order, and the number of all of
        these."""
        found = self.chosen(masks, order)
        return self.listed(found[offset : offset + limit].tolist()), len(found)

    def chosen(self, masks: Sequence[Mask], order: Ids | None) -> Ids:
        """The rows that all masks choose, in an order."""
        return self._list(all_of(masks), order)

    def _list(self, mask: Mask | None, order: Ids | None) -> Ids:
        if mask is None:
            return np.arange(self.rows, dtype=np.int32) if order is None else order
        return np.flatnonzero(mask).astype(np.int32) if order is None else order[np.flatnonzero(mask[order])]

    def listed(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """The columns that lists show, for some rows, in the order of `ids`."""
        if not ids:
            return []
        # A join reads only the parts with these rows; a list of constants takes ten times as long.
        query = f"SELECT {LISTED}, paragraph AS text FROM samples WHERE row_id IN (SELECT unnest(?::INTEGER[]))"  # noqa: S608
        found = self.dicts(query, [ids])
        by_id = {row["row_id"]: row for row in found}
        return [by_id[row_id] for row_id in ids if row_id in by_id]

    def subjects(self, ids: Ids) -> list[tuple[str, str, str]]:
        """The key, video and split of rows, in the order of `ids`: all that dealing them out needs, however many they are."""
        return self._in_order("key, video_id, split", ids)

    def _in_order(self, names: str, ids: Ids) -> list[Any]:
        """Some columns of rows, in the order of `ids`."""
        place = pa.array(range(len(ids)), pa.int32())
        self.cursor.register("wanted", pa.table({"row_id": pa.array(ids, pa.int32()), "place": place}))
        found = self.cursor.execute(f"SELECT {names} FROM samples JOIN wanted USING (row_id) ORDER BY place").fetchall()  # noqa: S608
        self.cursor.unregister("wanted")
        return found

    def place(self, masks: Sequence[Mask], order: Ids | None, row_id: int) -> ListPlace | None:
        """The place of a row in a list, or the place it would have: a new decision may have removed it. None if the order does
        not have the row."""
        mask = all_of(masks)
        found = self._list(mask, order)
        at = np.flatnonzero(order == row_id) if order is not None else np.array([row_id])
        if not len(at):
            return None
        first = np.arange(at[0]) if order is None else order[: at[0]]
        number = int(np.count_nonzero(mask[first])) if mask is not None else len(first)
        is_there = number < len(found) and found[number] == row_id
        before = found[number - 1 : number] if number else found[:0]
        after = found[number + is_there : number + is_there + 1]
        keys = [self.key_of(int(one[0])) if len(one) else None for one in (before, after)]
        return ListPlace(number, len(found), *keys)

    def key_of(self, row_id: int) -> str | None:
        key = self._one("SELECT key FROM samples WHERE row_id = ?", [row_id])
        return None if key is None else str(key)

    # -- one sample, one video

    def sample(self, key: str) -> dict[str, Any] | None:
        """All scalar columns of a sample."""
        row_id = self.row_of(key)
        return None if row_id is None else self.dicts("SELECT * FROM samples WHERE row_id = ?", [row_id])[0]

    def clips_of(self, video_id: str, limit: int) -> list[dict[str, Any]]:
        """The samples of a video in time order."""
        query = f"""
            SELECT {LISTED}, left(paragraph, 400) AS text FROM samples
            WHERE video_id = ? ORDER BY start_ms, key LIMIT {limit:d}"""  # noqa: S608
        return self.dicts(query, [video_id])

    def lost_of(self, video_id: str) -> list[dict[str, Any]]:
        """The planned rows of a video's long clips that were dropped later."""
        return self.dicts("SELECT *, left(paragraph, 400) AS text FROM lost WHERE video_id = ?", [video_id])

    def drops_of(self, video_id: str, limit: int) -> list[dict[str, Any]]:
        """The ledger rows of a video."""
        query = f"SELECT * FROM ledger WHERE video_id = ? ORDER BY subject, subject_id LIMIT {limit:d}"  # noqa: S608
        return self.dicts(query, [video_id])

    # -- the ledger

    def drop_counts(self) -> list[dict[str, Any]]:
        """The number of ledger rows for each subject, stage and reason."""
        return list(self._drop_counts)

    def drops(
        self, subject: str, stage: str, reason: str, text: str, offset: int, limit: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Ledger rows and their number; "" means any. `text` is searched for in ids and details."""
        found, values = list[str](), list[Any]()
        for name, value in (("subject", subject), ("stage", stage), ("reason", reason)):
            if value:
                found.append(f"{name} = ?")
                values.append(value)
        if text:
            found.append(
                "(contains(lower(subject_id), ?) OR contains(lower(video_id), ?) OR contains(lower(detail), ?))"
            )
            values += [text.lower()] * 3
        if found:
            query = f"SELECT rowid AS row_id FROM ledger WHERE {' AND '.join(found)}"  # noqa: S608
            ids = self._drops.get(f"{query} {values!r}", lambda: self._ids(query, values))
        else:
            ids = np.arange(sum(row["n"] for row in self._drop_counts), dtype=np.int32)
        query = "SELECT * FROM ledger WHERE rowid IN (SELECT unnest(?::BIGINT[])) ORDER BY rowid"
        return self.dicts(query, [ids[offset : offset + limit].tolist()]), len(ids)


def all_of(masks: Sequence[Mask]) -> Mask | None:
    """The rows that all masks choose; None if there is no mask, which chooses all rows."""
    return functools.reduce(np.logical_and, masks) if masks else None
