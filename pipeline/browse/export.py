"""Write the samples of a selection for other programs: CSV, JSON lines, or keys."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from longtake.pipeline.browse.decision_table import DecisionTable
from longtake.pipeline.browse.store import Ids, Store

_AT_ONCE, _KEYS_AT_ONCE = 2000, 100_000  # rows

Rows = list[dict[str, Any]]


def export(store: Store, decided: DecisionTable, ids: Ids, kind: str) -> Iterator[bytes]:
    """The rows `ids` as a file, in parts.

    Args:
        store: the samples.
        decided: the decisions, for the column `decision`.
        ids: the rows, in the order of the file.
        kind: one of KINDS.
    """
    if kind == "keys":
        for part in _parts(ids, _KEYS_AT_ONCE):
            yield "".join(f"{key}\n" for key in store.keys_of(part)).encode()
        return
    rows = (_rows(store, decided, part) for part in _parts(ids, _AT_ONCE))
    yield from _jsonl(rows) if kind == "jsonl" else _csv([*store.columns, "decision"], rows)


#: The kinds of file, each with its MIME type and the end of its name.
KINDS = {
    "csv": ("text/csv; charset=utf-8", "csv"),
    "jsonl": ("application/jsonl; charset=utf-8", "jsonl"),
    "keys": ("text/plain; charset=utf-8", "txt"),
}


def _parts(ids: Ids, size: int) -> Iterator[Ids]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _rows(store: Store, decided: DecisionTable, ids: Ids) -> Rows:
    query = f"SELECT row_id, {', '.join(store.columns)} FROM samples WHERE row_id IN (SELECT unnest(?::INTEGER[]))"  # noqa: S608
    by_id = {row.pop("row_id"): row for row in store.dicts(query, [ids.tolist()])}
    rows = [by_id[row_id] for row_id in ids.tolist()]
    return [row | {"decision": decided.state(row["key"], row["video_id"])} for row in rows]


def _jsonl(parts: Iterable[Rows]) -> Iterator[bytes]:
    for rows in parts:
        yield "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8", "replace")


def _csv(names: Sequence[str], parts: Iterable[Rows]) -> Iterator[bytes]:
    yield _lines([names])
    for rows in parts:
        yield _lines(row.values() for row in rows)


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)  # RFC 4180
    return out.getvalue().encode("utf-8", "replace")
