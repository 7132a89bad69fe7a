"""The file with the decisions of curators: a log, by its suffix CSV (UTF-8, RFC 4180, with a header) or Parquet.

Any tool may write one. The latest row of a curator on a subject is that curator's decision; a row "none" withdraws it. Texts are
kept unchanged. A spreadsheet takes a note that starts with `=`, `+`, `-` or `@` for a formula, so import notes as text.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from longtake.schemas import storage
from longtake.schemas.amending import amend
from longtake.schemas.decision import Conflict, Decision, OnConflict, conflicts, current, merge_logs, settle
from longtake.schemas.errors import ConfigError

__all__ = [  # names of decision.py; other modules import them from here
    "Conflict",
    "Decision",
    "OnConflict",
    "conflicts",
    "current",
    "merge_logs",
    "settle",
]

COLUMNS = tuple(field.name for field in fields(Decision))
_REQUIRED = COLUMNS[:3]
_HEADER = ",".join(COLUMNS)
_TABLE = pa.schema([(name, pa.string()) for name in COLUMNS])
_BOM = b"\xef\xbb\xbf"


def read_decisions(path: str) -> list[Decision]:
    """Return the rows of a log in their order; an empty file has none. Unknown columns are ignored, and so is an unfinished last
    line of CSV after a crash. Raises ConfigError that names file and line, and OSError."""
    return read_log(path)[0]


def read_log(path: str) -> tuple[list[Decision], int]:
    """Return the rows like read_decisions, and the number of bytes in an ignored, unfinished last line."""
    return parse_log(path, log_bytes(path))


def log_bytes(path: str) -> bytes:
    """Return the content of a log. Raises ConfigError if there is none, and OSError."""
    _is_csv(path)
    try:
        return storage.read_bytes(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file. It holds decisions of curators, as CSV or Parquet.") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: a folder, not a file with decisions") from None
    except PermissionError:
        raise ConfigError(f"{path}: permission denied. Make the file readable first.") from None


def parse_log(path: str, data: bytes) -> tuple[list[Decision], int]:
    """Return what read_log returns of a log with this content. Raises ConfigError."""
    if not _is_csv(path):
        return _from_parquet(path, data), 0
    read = _read_csv(path, data)
    return read.decisions, len(data) - read.whole


def append_decision(path: str, decision: Decision) -> None:
    """Add a row to a log, like `append_decisions`."""
    append_decisions(path, (decision,))


def append_decisions(path: str, decisions: Sequence[Decision]) -> None:
    """Add rows to a log in one write: all of them or none. Create the log if there is none. Several processes may do so on a
    local file (schemas/amending.py). Rows of others and unknown columns stay. A last line that a crash left unfinished is cut
    off.

    Raises ConfigError for a file without decisions, and OSError. Does not check the rows of a complete log.
    """
    change = _with_lines if _is_csv(path) else _with_rows
    if decisions:
        amend(path, lambda data: change(path, data, decisions))


def write_decisions(path: str, decisions: Iterable[Decision]) -> None:
    """Write a whole log in place of the old one."""
    storage.write_bytes(path, _written(path, decisions))


def merge_into(path: str, logs: Iterable[Iterable[Decision]]) -> None:
    """Add the rows of other logs to a log, each row once, and keep rows that others add meanwhile."""
    rows = [list(log) for log in logs]
    amend(path, lambda data: (0, _written(path, merge_logs([_parsed(path, data), *rows]))))


def _is_csv(path: str) -> bool:
    if not path.lower().endswith((".csv", ".parquet")):
        raise ConfigError(f"{path}: a file of decisions must end in .csv or .parquet")
    return path.lower().endswith(".csv")


def _parsed(path: str, data: bytes) -> list[Decision]:
    return _read_csv(path, data).decisions if _is_csv(path) else _from_parquet(path, data)


def _written(path: str, decisions: Iterable[Decision]) -> bytes:
    if not _is_csv(path):
        table = _table(decisions)
        if not table.num_rows:  # not every reader takes Parquet without rows
            raise ConfigError(f"{path}: there is no decision to write. Name a .csv file: that can be empty.")
        return _parquet(table)
    lines = [_HEADER, *(_line(getattr(one, name) for name in COLUMNS) for one in decisions)]
    return "".join(f"{line}\n" for line in lines).encode()


def _of(values: Sequence[str], names: tuple[str, ...], where: str) -> Decision:
    try:
        return Decision(*values) if names == COLUMNS else Decision(**dict(zip(names, values, strict=True)))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


# -- CSV


@dataclass(frozen=True, slots=True)
class _Csv:
    header: list[str]
    decisions: list[Decision]
    whole: int  # bytes without an unfinished last line
    newline: str


def _read_csv(path: str, data: bytes) -> _Csv:
    """Read a log in CSV. A last line without a line end is read if possible, else it is unfinished. Raises ConfigError."""
    if (_BOM + _HEADER.encode()).startswith(data) or _HEADER.encode().startswith(
        data
    ):  # not even its header is finished
        return _Csv([], [], 0, "\n")
    newline = "\r\n" if data.partition(b"\n")[0].endswith(b"\r") else "\n"
    try:
        header, decisions = _rows(path, data)
        return _Csv(header, decisions, len(data), newline)
    except ConfigError:
        whole = data.rfind(b"\n") + 1
        if not 0 < whole < len(data):
            raise
        header, decisions = _rows(path, data[:whole])
        return _Csv(header, decisions, whole, newline)


def _ending(path: str, data: bytes) -> _Csv | None:
    """Return what an append needs to know about a log, without its rows; None if the end of the log must be checked."""
    if not data.endswith(b"\n") or data.count(b'"') % 2:
        return None
    first = data[: data.index(b"\n") + 1]
    header, _ = _rows(path, first)
    return _Csv(header, [], len(data), "\r\n" if first.endswith(b"\r\n") else "\n") if header else None


def _rows(path: str, data: bytes) -> tuple[list[str], list[Decision]]:
    try:
        text = data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text: {error.reason}") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header, decisions, line = list[str](), [], 1
    places, names = list[int](), tuple[str, ...]()
    for row in _records(path, reader):
        if not header:
            header = _checked(path, [name.strip() for name in row])
            places = [place for place, name in enumerate(header) if name in COLUMNS]
            names = tuple(header[place] for place in places)
        elif row:
            if len(row) != len(header):
                raise ConfigError(f"{path}:{line}: {len(row)} fields, but {len(header)} columns")
            decisions.append(_of([row[place] for place in places], names, f"{path}:{line}"))
        line = reader.line_num + 1
    return header, decisions


def _records(path: str, reader: Any) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise ConfigError(f"{path}:{reader.line_num}: not CSV: {error}") from None


def _checked(path: str, header: list[str]) -> list[str]:
    if missing := [name for name in _REQUIRED if name not in header]:
        raise ConfigError(
            f"{path}:1: no column {', '.join(missing)}. The columns of a file with decisions: {_HEADER.replace(',', ', ')}"
        )
    if twice := sorted({name for name in header if name in COLUMNS and header.count(name) > 1}):
        raise ConfigError(f"{path}:1: column {', '.join(twice)} is given twice")
    return header


def _line(values: Iterable[str]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerow(values)  # quotes fields with \r or \n
    return out.getvalue().removesuffix("\r\n")


def _with_lines(path: str, data: bytes, decisions: Sequence[Decision]) -> tuple[int, bytes]:
    """Return the change that appends decisions to a file with content `data`: see amending.Change."""
    read = _ending(path, data) or _read_csv(path, data)
    if not read.header:
        lines = [_HEADER, *(_line(getattr(one, name) for name in COLUMNS) for one in decisions)]
        return 0, "".join(f"{line}\n" for line in lines).encode()
    values = [{name: getattr(one, name) for name in COLUMNS} for one in decisions]
    if lacking := [name for name in COLUMNS if name not in read.header and any(one[name] for one in values)]:
        rows = csv.reader(io.StringIO(data[: read.whole].removeprefix(_BOM).decode(), newline=""))
        wide = [
            row + ([""] * len(lacking) if number else lacking) for number, row in enumerate(row for row in rows if row)
        ]
        wide += [[one.get(name, "") for name in (*read.header, *lacking)] for one in values]
        return 0, "".join(f"{_line(row)}{read.newline}" for row in wide).encode()
    unended = "" if data[: read.whole].endswith((b"\n", b"\r")) else read.newline
    added = "".join(f"{_line(one.get(name, '') for name in read.header)}{read.newline}" for one in values)
    return read.whole, f"{unended}{added}".encode()


# -- Parquet


def _from_parquet(path: str, data: bytes) -> list[Decision]:
    table = _parquet_table(path, data)
    if table is None:
        return []
    names = tuple(name for name in COLUMNS if name in table.column_names)
    return [
        _of([_text(row[name], f"{path}: row {number}: {name}") for name in names], names, f"{path}: row {number}")
        for number, row in enumerate(table.select(list(names)).to_pylist(), 1)
    ]


def _parquet_table(path: str, data: bytes) -> pa.Table | None:
    if not data:
        return None
    try:
        table = pq.read_table(pa.BufferReader(data))
    except storage.PARQUET_ERRORS as error:
        raise ConfigError(f"{path}: not a Parquet file, or a damaged one: {storage.damage(error)}") from None
    _checked(path, list(table.column_names))
    for number, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):  # Python's times have no nanoseconds
            seconds = table[column.name].cast(pa.timestamp("s", column.type.tz), safe=False)
            table = table.set_column(number, column.name, seconds)
    return table


def _text(value: Any, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, date):  # or a datetime
        return value.isoformat()
    if not isinstance(value, str):
        raise ConfigError(f"{where}: must be text, not {type(value).__name__}")
    return value


def _table(decisions: Iterable[Decision]) -> pa.Table:
    return pa.Table.from_pylist([{name: getattr(one, name) for name in COLUMNS} for one in decisions], schema=_TABLE)


def as_parquet(decisions: Iterable[Decision]) -> bytes:
    """Return rows as a file of Parquet, with all columns also if there is no row."""
    found = list(decisions)
    return _parquet(pa.table({name: [getattr(one, name) for one in found] for name in COLUMNS}, schema=_TABLE))


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _with_rows(path: str, data: bytes, decisions: Sequence[Decision]) -> tuple[int, bytes]:
    table = _table([*_from_parquet(path, data), *decisions])
    old = pq.read_table(pa.BufferReader(data)) if data else table.select([])
    for name, column in zip(old.column_names, old.columns, strict=True):
        if name not in COLUMNS:
            wider = pa.chunked_array([*column.chunks, pa.nulls(len(decisions), column.type)], type=column.type)
            table = table.append_column(name, wider)
    return 0, _parquet(table)
