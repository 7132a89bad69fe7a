"""Requests to `longtake browse` and to Datasette, in turn, and how long they take. Part of audit.py."""

import contextlib
import json
import math
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import pyarrow.parquet as pq
from browse_decided import ROWS, bulk, decided, total_of
from browse_server import Server
from measure import Failed, child
from pyarrow.dataset import dataset
from rich.console import Console
from synthetic_text import vocabulary

from longtake.pipeline.browse.map_table import map_path, write_map
from longtake.schemas.layout import Layout

MADE = ("browse", "maps")  # folders of audit/: the search tables, and maps
_TABLE = "/corpus/samples"
_MOST_DECIDED = 100_000  # samples at once
_MEASURES = {
    "duration": "duration", "sentences": "n_sentences", "words": "n_words", "wps": "words_per_second", "coherence": "coherence",
    **{name: name for name in (
        "score_words_per_sentence", "score_words_per_second", "score_repetition", "score_non_speech", "score_language",
        "score_characters", "score_profanity", "score_pii", "score_short_side", "score_aspect", "score_seconds", "score_audio",
        "score_black", "score_frozen", "score_slides", "score_relevance",
    )},
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """Requests of one kind: the paths of longtake, and those of Datasette that ask for the same, or none."""

    ours: list[str]
    peer: list[str] = field(default_factory=list)
    counted: bool = True  # the pages say how many rows there are


def kinds(corpus: Path, number: int) -> dict[str, Kind]:
    """All requests, `number` of each kind."""
    words = vocabulary(0)
    samples = json.loads((corpus / "planted.json").read_text())["samples"]
    keys = _keys(corpus, number)
    ranks = {name: words.rank(words.common(share)) for name, share in (("rare", 0.0002), ("common", 0.01))}
    ranks["rare"] = min(ranks["rare"], words.size - 2 - number)
    some = {name: list(words.words[rank : rank + number]) for name, rank in ranks.items()}
    some["very common"] = list(words.words[:number])
    phrases = [" ".join(words.words[rank] for rank in pair) for pair in words.phrases[60 : 60 + number]]
    every = range(number)

    def pages(ours: Callable[[int], dict[str, Any]], peer: Callable[[int], dict[str, Any]]) -> Kind:
        return Kind(
            [f"/?{urlencode(ours(n))}" for n in every],
            [f"{_TABLE}?{urlencode(peer(n) | {'_size': 50})}" for n in every],
        )

    def search(texts: list[str]) -> Kind:
        return pages(lambda n: {"q": texts[n]}, lambda n: {"_search": texts[n], "_searchmode": "raw"})

    sorts = list(_MEASURES.items())
    group = "SELECT {}, count(*) AS n, avg(n_words) AS words FROM samples GROUP BY 1 ORDER BY n DESC LIMIT {}"
    columns = ("language", "license", "split", "source_codec")
    return {
        "first page": Kind(["/"] * number, [f"{_TABLE}?_size=50"] * number),
        "filtered page": pages(
            lambda n: {"split": "train", "min_words": 80 + 3 * n, "min_duration": 20 + n},
            lambda n: {"split": "train", "n_words__gte": 80 + 3 * n, "duration__gte": 20 + n},
        ),
        "filtered page, few rows": pages(
            lambda n: {"split": "val", "language": "de", "min_words": 60 + n},
            lambda n: {"split": "val", "language": "de", "n_words__gte": 60 + n},
        ),
        "sorted page": pages(
            lambda n: {"sort": f"-{sorts[n][0]}"},
            lambda n: {"_sort_desc": sorts[n][1]},
        ),
        "filtered and sorted page": pages(
            lambda n: {"min_duration": 31 + n, "sort": "-score_relevance"},
            lambda n: {"duration__gte": 31 + n, "_sort_desc": "score_relevance"},
        ),
        "page deep in all": pages(
            lambda n: {"p": max(1, samples // 50 * (number - n) // (number + 1))},
            lambda n: {"_next": samples * (number - n) // (number + 1)},
        ),
        "page deep in a filter": pages(
            lambda n: {"min_words": 50 + n, "p": max(1, samples // 200)},
            lambda n: {"n_words__gte": 50 + n, "_next": samples // 3},
        ),
        "rare word": search(some["rare"]),
        "common word": search(some["common"]),
        "very common word": search(some["very common"]),
        "phrase": search([f'"{phrase}"' for phrase in phrases]),
        "common word, filtered": pages(
            lambda n: {"q": some["common"][n], "min_words": 100 + n},
            lambda n: {"_search": some["common"][n], "_searchmode": "raw", "n_words__gte": 100 + n},
        ),
        "SQL condition": pages(
            lambda n: {"sql": f"n_words > {120 + n} AND license = 'CC0 1.0' AND score_relevance < 0.3"},
            lambda n: {"_where": f"n_words > {120 + n} AND license = 'CC0 1.0' AND score_relevance < 0.3"},
        ),
        "SQL, grouped": Kind(
            [f"/sql?sql={quote(group.format(columns[n % 4], 20 + n))}" for n in every],
            [f"/corpus?sql={quote(group.format(columns[n % 4], 20 + n))}" for n in every],
            counted=False,
        ),
        "ledger page": Kind([f"/ledger?reason=repetition&p={1 + 7 * n}" for n in every], counted=False),
        "sample page": Kind(
            [f"/sample/{key}" for key, _ in keys], [f"{_TABLE}/{row + 1}" for _, row in keys], counted=False
        ),
        "frame": Kind([f"/frame/{key}/{n % 20}.jpg" for n, (key, _) in enumerate(keys)], counted=False),
    }  # fmt: skip


def _keys(corpus: Path, number: int) -> list[tuple[str, int]]:
    """Keys of samples all over the corpus, and the numbers of their rows."""
    files = sorted((corpus / "index").glob("*.parquet"))
    sizes = [pq.read_metadata(path).num_rows for path in files]
    found = []
    for n in range(number):
        at = n * len(files) // number
        row = (997 * (n + 1)) % sizes[at]
        found.append((pq.read_table(files[at], columns=["key"])["key"][row].as_py(), sum(sizes[:at]) + row))
    return found


def made_up_map(corpus: Path) -> None:
    """Write a map of points around twenty places: it is served as one that `longtake map` computed."""
    keys = dataset(corpus / "index", format="parquet").to_table(columns=["key"])["key"].combine_chunks()
    rng = np.random.default_rng(0)
    topic = rng.integers(0, 20, len(keys)).astype(np.int16)
    points = (rng.normal(0, 0.5, (20, 2))[topic] + rng.normal(0, 0.1, (len(keys), 2))).astype(np.float32)
    columns = {"key": keys, "x": points[:, 0], "y": points[:, 1], "topic": topic}
    topics = [{"words": [f"word{n}", "made", "up"]} for n in range(20)]
    write_map(map_path(Layout(str(corpus)), "words"), columns, {"topics": topics, "method": {"name": "made up"}})


def measure_browse(
    copy: Path, corpus: Path, peer: Path | None, number: int, has_made_up_map: bool, console: Console
) -> dict[str, Any]:
    """Figures of longtake browse on `copy`, and of Datasette. Raises Failed where they answer differently."""
    figures: dict[str, Any] = {"starts": {}, "requests": {}, "versions": {}}
    longtake, port = Path(sys.executable).parent / "longtake", _port()
    command = [str(longtake), "browse", str(copy), "--port", str(port), "--curator", "Ann"]
    if has_made_up_map:
        made_up_map(copy)
    figures["made_before"] = [name for name in MADE if (copy / "audit" / name).exists()]
    console.print("longtake browse, first start", style="dim")
    first = Server(command, port, "/healthz")
    first.stop()
    if "maps" not in figures["made_before"]:
        console.print("longtake map", style="dim")
        begun = time.monotonic()
        subprocess.run(
            [str(longtake), "map", str(copy), "--method", "pca", "-q"], check=True, stdout=subprocess.DEVNULL
        )
        figures["map_seconds"] = time.monotonic() - begun
    with contextlib.ExitStack() as stack:
        theirs, reason = None, "no --peer"
        if peer is not None:
            theirs, reason = _start_peer(peer, copy, stack, figures, console)
        if theirs is None:
            console.print(f"Datasette is left out: {reason}", style="yellow")
            figures["peer_left_out"] = reason
        ours = Server(command, port, "/healthz")  # last: it closes connections that nobody uses for two minutes
        stack.callback(ours.stop)
        for name, kind in kinds(corpus, number).items():
            figures["requests"][name] = _measure(kind, ours, theirs)
            console.print(f"  {name}: {figures['requests'][name]['longtake']['p50']:.0f} ms", highlight=False)
        for name, kind in selection_kinds(ours, number).items():
            figures["requests"][name] = _measure(kind, ours, None)
            console.print(f"  {name}: {figures['requests'][name]['longtake']['p50']:.0f} ms", highlight=False)
        figures["bulk"] = bulk(ours, "language=de")
        samples = json.loads((corpus / "planted.json").read_text())["samples"]
        query = "" if samples <= _MOST_DECIDED else "min_words=150"
        figures["decided"] = decided(ours, [key for key, _ in _keys(corpus, number)], query)
        cache = sum(path.stat().st_size for path in (copy / "audit" / "browse").rglob("*") if path.is_file())
        figures["starts"]["longtake"] = {
            "first": first.start_seconds, "later": ours.start_seconds, "first_peak": first.peak, "later_peak": ours.peak,
            "disk": cache,
        }  # fmt: skip
        if theirs is not None:
            figures["starts"]["datasette"] |= {"later": theirs.start_seconds, "later_peak": theirs.peak}
    return figures


def _start_peer(
    peer: Path, copy: Path, stack: contextlib.ExitStack, figures: dict[str, Any], console: Console
) -> tuple[Server | None, str]:
    """Fill SQLite and start Datasette; None with the reason where that cannot be had."""
    tool = peer.parent / "sqlite-utils"
    if not peer.exists() or not tool.exists():
        return None, f"{peer} and {tool} are not both there"
    for name, program in (("datasette", peer), ("sqlite-utils", tool)):
        said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
        figures["versions"][name] = said.split()[-1]
    console.print("Datasette: filling SQLite", style="dim")
    database = copy / "peer" / "corpus.db"
    filled = child("peer_rows.py", {
        "corpus": str(copy), "database": str(database), "sqlite_utils": str(tool), "indexed": sorted(_MEASURES.values()),
    })  # fmt: skip
    port = _port()
    settings = {"sql_time_limit_ms": 120_000, "suggest_facets": "off", "default_facet_size": 1, "num_sql_threads": 3}
    options = [part for name, value in settings.items() for part in ("--setting", name, str(value))]
    server = Server([str(peer), "serve", "-i", str(database), "-p", str(port), *options], port, "/-/versions.json")
    stack.callback(server.stop)
    figures["starts"]["datasette"] = {
        "first": filled.wall, "first_peak": filled.peak_rss, "steps": filled.report, "disk": database.stat().st_size,
    }  # fmt: skip
    return server, ""


def _measure(kind: Kind, ours: Server, theirs: Server | None) -> dict[str, Any]:
    times: dict[str, list[list[float]]] = {"longtake": [[], []], "datasette": [[], []]}
    servers = {"longtake": ours} | ({"datasette": theirs} if theirs is not None and kind.peer else {})
    used: dict[str, list[float]] = {name: [one.cpu] for name, one in servers.items()}
    rows = []
    for again in (0, 1):
        for n, path in enumerate(kind.ours):
            body, took = ours.get(ours.proved(path))
            times["longtake"][again].append(took)
            total = total_of(body, ROWS) if kind.counted else None
            if theirs is not None and kind.peer:
                body, took = theirs.get(kind.peer[n])
                times["datasette"][again].append(took)
                other = total_of(body, rb"<h3>\s*([\d,]+) rows?") if kind.counted else None
                if other != total:
                    raise Failed(f"{path} finds {total} rows, {kind.peer[n]} {other}")
            if total is not None and not again:
                rows.append(total)
        for name, one in servers.items():
            used[name].append(one.cpu)
    found: dict[str, Any] = {"rows": int(statistics.median(rows)) if rows else None}
    for name, (first, second) in times.items():
        if first:
            found[name] = {
                "p50": statistics.median(first),
                "p95": sorted(first)[max(0, -(-len(first) * 95 // 100) - 1)],
                "max": max(first),
                "again": statistics.median(second),
                "cpu": [round(1000 * (now - before) / len(first), 1) for before, now in pairwise(used[name])],
                "all": [round(one, 1) for one in first],
            }
    return found


def selection_kinds(ours: Server, number: int) -> dict[str, Kind]:
    """Requests that Datasette has no counterpart for: pictures, the map, and saved selections, which are saved here."""
    for name, query in (("long", "min_words=100"), ("fast", "min_wps=2.5"), ("german", "language=de")):
        ours.post("/api/selections", {"name": name, "query": query, "curator": "Ann"})
    page = ours.get("/plot")[0].decode()
    x, y = dict.fromkeys(re.findall(r'value="(map-words-[xy]@[0-9a-f]+)"', page))
    every = range(number)
    angles = [2 * math.pi * n / 40 for n in range(40)]

    def around(n: int) -> str:
        size = 0.2 + 0.6 * n / number
        return ",".join(f"{size * side(angle):.4g}" for angle in angles for side in (math.cos, math.sin))

    def pages(path: str, values: Callable[[int], dict[str, Any]], counted: bool = False) -> Kind:
        return Kind([f"{path}?{urlencode(values(n))}" for n in every], counted=counted)

    scores = {"x": "score_relevance", "y": "wps", "colour": "language"}
    return {
        "saved selections, combined": pages(
            "/", lambda n: {"in": "long and not (fast or german)", "min_words": 90 + n}, counted=True
        ),
        "area drawn on the map": pages("/", lambda n: {"area": f"{x}~{y}~{around(n)}"}, counted=True),
        "topic": pages("/", lambda n: {"topic": f"words:{1 + n % 20}", "min_words": 80 + n}, counted=True),
        "histograms of a selection": pages("/pictures", lambda n: {"min_words": 60 + 5 * n}),
        "points of the map": pages(
            "/plot.bin", lambda n: {"x": x, "y": y, "colour": "topic:words", "min_words": 60 + 5 * n}
        ),
        "points of two scores": pages("/plot.bin", lambda n: scores | {"min_words": 60 + 5 * n}),
        "page of selections": Kind(["/selections"] * number, counted=False),
        "keys of a selection": pages("/export/keys", lambda n: {"min_words": 100 + 5 * n}),
    }


def _port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
