"""DuckDB over the tables of a corpus. Queries name files relative to its folder, so printed queries run there."""

import os
import re
from collections.abc import Sequence
from typing import Any

import duckdb

from longtake.pipeline.audit.result import Number, Table
from longtake.schemas import remote, storage, tables
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout

_MEMORY = "2GB"  # beyond that, DuckDB writes to its temporary folder
_NO_LEDGER = f"(SELECT {', '.join(f'NULL::VARCHAR AS {name}' for name in tables.LEDGER.names)} LIMIT 0)"
_PLACES = re.compile(r"'(index|ledger|plan|audit|corpus\.json)(?=[/'])")


class Database:
    """The tables of one corpus. `audit` is the folder with the audit's own tables, by default audit/ in the corpus."""

    def __init__(self, layout: Layout, audit: str | None = None, scratch: str | None = None) -> None:
        self.layout = layout
        self._audit = audit
        self._has_ledger = bool(storage.list_files(layout.ledger, ".parquet"))
        self._connection = duckdb.connect()
        settings = {
            "memory_limit": _MEMORY,
            "preserve_insertion_order": False,
            "enable_progress_bar": False,
            "parquet_metadata_cache": True,  # else about 200 queries would each parse all footers
        }
        for name, value in settings.items():
            self._connection.execute(f"SET {name} = {_literal(value)}")
        if scratch is not None:
            self._connection.execute(f"SET temp_directory = {_literal(scratch)}")
        if storage.is_remote(layout.root):
            self._connection.register_filesystem(remote.filesystem(layout.root))

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection, for queries with placeholders. Pass their text through `located` first."""
        return self._connection

    def located(self, sql: str) -> str:
        """The query with the real paths of the files."""

        def place(found: re.Match[str]) -> str:
            name = found[1]
            where = self._audit if name == "audit" and self._audit is not None else self.layout.path(name)
            if not storage.is_remote(where):
                where = os.path.abspath(storage.local_path(where))
            return "'" + where.replace("'", "''")

        return _PLACES.sub(place, sql if self._has_ledger else sql.replace("'ledger/*.parquet'", _NO_LEDGER))

    def printed(self, sql: str) -> str:
        """The query as the report prints it: with the full path of the folder audit/ if that is outside the corpus, and with an
        empty table if there is no ledger, because nothing was dropped."""
        if not self._has_ledger:
            sql = sql.replace("'ledger/*.parquet'", _NO_LEDGER)
        if self._audit is None:
            return sql
        return sql.replace("'audit/", "'" + self._audit.replace("'", "''") + "/")

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query and return its rows. Raises CorpusError if a table is damaged or missing."""
        return self._run(sql, parameters).fetchall()

    def records(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query by the names of their columns."""
        found = self._run(sql)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def table(self, title: str, sql: str, note: str = "") -> Table:
        """The result of a query with its SQL."""
        found = self._run(sql)
        columns = tuple(column[0] for column in found.description or ())
        return Table(title, columns, tuple(found.fetchall()), self.printed(sql), note)

    def value(self, sql: str) -> Any:
        """Run a query and return its only value; None if it gives no row."""
        row = self._run(sql).fetchone()
        return row[0] if row else None

    def arrays(self, sql: str) -> dict[str, Any]:
        """The result of a query as NumPy arrays by column, masked where values are null. Raises CorpusError."""
        try:
            found: dict[str, Any] = self._run(sql).fetchnumpy()
            return found
        except duckdb.Error as error:
            raise CorpusError(f"{self.layout.root}: its tables cannot be queried: {error}") from None

    def columns(self, files: str) -> tuple[str, ...]:
        """The columns of the tables `files`, such as "index/*.parquet"."""
        return tuple(row[0] for row in self.rows(f"DESCRIBE SELECT * FROM {quoted(files)}"))

    def number(self, name: str, label: str, sql: str, unit: str = "", digits: int = 0) -> Number:
        """A number of the summary."""
        value = self.value(sql)
        text = "none" if value is None else f"{value:,.{digits}f}{f' {unit}' if unit else ''}"
        return Number(name, label, value, text, self.printed(sql))

    def _run(self, sql: str, parameters: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(self.located(sql), list(parameters))
        except (duckdb.Error, OSError) as error:
            first = str(error).strip().splitlines()[0]
            raise CorpusError(
                f"{self.layout.root}: its tables cannot be queried: {first}. "
                f"Check the corpus with: longtake verify {self.layout.root}"
            ) from None

    def close(self) -> None:
        """Release memory and temporary files."""
        self._connection.close()


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "'" + str(value).replace("'", "''") + "'"


def quoted(text: str) -> str:
    """`text` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
