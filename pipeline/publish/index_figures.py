"""The figures of a card, counted from the index of a corpus. No corpus is too large: of each shard only counts are kept."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longtake.pipeline.parse.lines import base_name
from longtake.pipeline.publish.figures import CardFigures, SampleFields, Shares, SplitFigures
from longtake.pipeline.publish.json_type import JsonType, joined, type_of
from longtake.schemas import storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest

_COLUMNS = ("video_id", "url", "license", "language", "meta", "n_sentences", "n_words", "start_ms", "end_ms")
_THREADS = 16  # reading an object store is mostly waiting
_LICENCES, _HOSTS = 1000, 100  # that are listed
_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]+)")


@dataclass(frozen=True, slots=True)
class _ShardFigures:
    """What a card needs of the index of one shard. `places` counts samples by host and licence, `milliseconds` are durations."""

    split: str
    videos: pa.Array
    places: Counter[tuple[str, str]]
    languages: Counter[str]
    milliseconds: np.ndarray[Any, np.dtype[np.int64]]
    sentences: int
    words: int
    most_sentences: int
    meta: JsonType


def card_figures(layout: Layout, manifest: CorpusManifest, unchanged: Layout | None = None) -> CardFigures:
    """The figures of a corpus with at least one sample. Shards that a new version does not write have their index in the corpus
    `unchanged`. Raises CorpusError if a table is damaged, OSError if one cannot be read."""
    own = {base_name(path) for path in storage.list_files(layout.index, ".parquet")} if unchanged else None
    work = []
    for shard in manifest.shards:
        path = layout.shard_index(shard.name.removesuffix(".tar"))
        if unchanged is not None and own is not None and base_name(path) not in own:
            path = storage.join(unchanged.index, base_name(path))
        work.append((shard.split, path))
    with ThreadPoolExecutor(_THREADS) as pool:
        shards = list(pool.map(lambda one: _shard_figures(*one), work))
    places: Counter[tuple[str, str]] = Counter()
    languages: Counter[str] = Counter()
    for one in shards:
        places.update(one.places)
        languages.update(one.languages)
    hosts = Shares.of(_counted((host, n) for (host, _), n in places.items()), _HOSTS)
    listed: dict[str, Counter[str]] = {host: Counter() for host, _ in hosts.counts}
    for (host, stated), n in places.items():
        if host in listed:
            listed[host][stated] += n
    most = max((shard.most_sentences for shard in shards), default=0)
    meta = reduce(joined, (shard.meta for shard in shards), None)
    return CardFigures(
        splits=tuple(
            _split_figures(name, [one for one in shards if one.split == name]) for name in sorted(manifest.splits())
        ),
        total=_split_figures("all", shards),
        licences=Shares.of(_counted((stated, n) for (_, stated), n in places.items()), _LICENCES),
        languages=Shares.of(languages, _LICENCES),
        hosts=hosts,
        licences_of={host: Shares.of(counts, _LICENCES) for host, counts in listed.items()},
        fields=SampleFields(most * int(manifest.config["frames"]["per_sentence"]), meta),
    )


def _counted(pairs: Iterable[tuple[str, int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for value, number in pairs:
        found[value] += number
    return found


def _shard_figures(split: str, path: str) -> _ShardFigures:
    try:
        with storage.open_table(path) as stream:
            file = pq.ParquetFile(stream)
            table = file.read(columns=[name for name in _COLUMNS if name in file.schema_arrow.names])
        by_source = Counter(zip(_texts(table, "url"), _texts(table, "license"), strict=True))
        places: Counter[tuple[str, str]] = Counter()
        for (url, stated), n in by_source.items():
            places[_host(url), stated.strip()] += n
        return _ShardFigures(
            split=split,
            videos=pc.unique(table["video_id"]),
            places=places,
            languages=Counter(_texts(table, "language")),
            milliseconds=np.asarray(pc.subtract(table["end_ms"], table["start_ms"]), np.int64),
            sentences=pc.sum(table["n_sentences"]).as_py() or 0,
            words=pc.sum(table["n_words"]).as_py() or 0,
            most_sentences=pc.max(table["n_sentences"]).as_py() or 0,
            meta=reduce(joined, (type_of(json.loads(text or "{}")) for text in set(_texts(table, "meta"))), None),
        )
    except (*storage.PARQUET_ERRORS, KeyError) as error:  # KeyError: a column that every version wrote is not there
        raise CorpusError(f"{path}: not a Parquet file, or a damaged one: {storage.damage(error)}") from None


def _texts(table: pa.Table, name: str) -> list[str]:
    """A column of texts, "" for null and for a column that earlier versions did not have."""
    return [text or "" for text in table[name].to_pylist()] if name in table.column_names else [""] * len(table)


def _host(url: str) -> str:
    found = _HOST.match(url)
    return found[1].lower() if found else ""


def _split_figures(name: str, shards: Sequence[_ShardFigures]) -> SplitFigures:
    lengths = np.concatenate([shard.milliseconds for shard in shards])
    seconds = (lengths.min(), np.median(lengths), lengths.max())
    return SplitFigures(
        name=name,
        samples=len(lengths),
        videos=pc.count_distinct(pa.chunked_array([shard.videos for shard in shards])).as_py(),
        sentences=sum(shard.sentences for shard in shards),
        words=sum(shard.words for shard in shards),
        hours=float(lengths.sum() / 3_600_000),
        seconds=(float(seconds[0] / 1000), float(seconds[1] / 1000), float(seconds[2] / 1000)),
    )
