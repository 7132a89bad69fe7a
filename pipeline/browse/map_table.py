"""Maps of a corpus: Parquet tables in audit/maps/, one row per sample, with how they were made in the metadata (docs/format.md).

They lie in audit/ because the words of their topics come from texts: a takedown deletes them.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from longtake.pipeline.browse.store import Store
from longtake.schemas import storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout

FORMAT = 1
_METADATA = b"longtake.map"
_SCHEMA = pa.schema([("key", pa.string()), ("x", pa.float32()), ("y", pa.float32()), ("topic", pa.int16())])
_NAME = re.compile(r"[a-z0-9_]{1,40}")
_MAX_WORD = 60
_ROWS_IN_GROUP = 100_000  # it is read as a whole


@dataclass(frozen=True, slots=True)
class CorpusMap:
    """A map: `x`, `y` and `topic` for each row of the corpus, NaN and -1 where it has no place. `words` has some words for each
    topic. `id` changes when the map is computed again."""

    name: str
    id: str
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]
    topic: npt.NDArray[np.int16]
    words: tuple[tuple[str, ...], ...]
    method: str
    of_this_version: bool

    def topic_label(self, number: int) -> str:
        """The number of a topic, from 1, and its words."""
        words = ", ".join(self.words[number]) if number < len(self.words) else ""
        return f"{number + 1}: {words}" if words else str(number + 1)


def map_path(layout: Layout, name: str) -> str:
    return layout.path("audit", "maps", f"{name}.parquet")


def write_map(path: str, columns: Mapping[str, Any], made: Mapping[str, Any]) -> None:
    """Write a map: `columns` are key, x, y and topic, `made` says how it was made and has the words of topics."""
    schema = _SCHEMA.with_metadata({_METADATA: json.dumps({"format": FORMAT, **made}, ensure_ascii=False).encode()})
    storage.write_parquet(path, pa.table(dict(columns), schema=schema), _ROWS_IN_GROUP)


def open_maps(store: Store, layout: Layout) -> list[CorpusMap]:
    """The maps of a corpus by name. Raises CorpusError for a damaged one, and OSError."""
    found = []
    for path in storage.list_files(layout.path("audit", "maps"), ".parquet"):
        name = path.rsplit("/", 1)[-1].removesuffix(".parquet")
        if _NAME.fullmatch(name):
            try:
                found.append(_opened(store, path, name))
            except (*storage.PARQUET_ERRORS, ValueError, KeyError, TypeError) as error:
                raise CorpusError(
                    f"{path}: not a map: {storage.damage(error)}. Delete it, or make it again with: longtake map"
                ) from None
    return found


def _opened(store: Store, path: str, name: str) -> CorpusMap:
    with storage.open_table(path) as stream:
        table = pq.read_table(stream)
    made = json.loads((table.schema.metadata or {})[_METADATA])
    if made["format"] != FORMAT:
        raise ValueError(f"format {made['format']!r}")
    table = table.select(_SCHEMA.names).cast(_SCHEMA)
    store.cursor.register("placed", table)
    rows = store.cursor.execute("SELECT row_id, x, y, topic FROM samples JOIN placed USING (key)").fetchnumpy()
    store.cursor.unregister("placed")
    at = np.asarray(rows["row_id"])
    x, y = np.full(store.rows, np.nan, np.float32), np.full(store.rows, np.nan, np.float32)
    topic = np.full(store.rows, -1, np.int16)
    for target, column in ((x, "x"), (y, "y"), (topic, "topic")):
        values = np.ma.asarray(rows[column])
        target[at] = np.ma.filled(values, -1 if column == "topic" else np.nan)
    words = tuple(tuple(str(word)[:_MAX_WORD] for word in one["words"]) for one in made["topics"])
    topic[(topic < 0) | (topic >= len(words))] = -1
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(x).tobytes() + np.ascontiguousarray(y).tobytes())
    is_of_this = made.get("corpus") == store.cache.corpus
    return CorpusMap(name, digest.hexdigest()[:8], x, y, topic, words, str(made["method"]["name"]), is_of_this)
