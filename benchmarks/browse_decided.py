"""Requests to `longtake browse` that decide, and those after much was decided. Part of audit.py."""

import html
import json
import re
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from browse_server import Server
from measure import Failed

ROWS = rb"<p><strong>([\d,]+)</strong>"  # on a page of longtake


def bulk(ours: Server, query: str, decision: str = "reject", undo: bool = True) -> dict[str, Any]:
    """A decision on all samples of a selection, and the way back."""
    page = ours.get(f"/?{query}")[0]
    number, shown = total_of(page, ROWS), re.search(rb'data-shown="([^"]+)"', page)
    verdict = {"decision": decision, "label": "other", "note": "", "curator": "Ann"}
    asked = {"query": query, "expected": shown[1].decode() if shown else "", **verdict}
    before = ours.cpu
    done, decided = ours.post("/api/bulk", asked)[1:]
    page, listed = ours.get("/api/bulk?by=Ann")
    found = re.search(rb"data-undo='([^']+)'", page)
    if json.loads(done)["done"] != number or found is None:
        raise Failed(f"a bulk on {number} samples: {done!r}")
    figures = {"samples": number, "decide_ms": decided, "list_ms": listed}
    if undo:
        undone, back = ours.post("/api/bulk/undo", json.loads(html.unescape(found[1].decode())) | {"curator": "Ann"})[
            1:
        ]
        if json.loads(undone)["done"] != number:
            raise Failed(f"undo of a bulk on {number} samples: {undone!r}")
        figures["undo_ms"] = back
    return figures | {"cpu_ms": round(1000 * (ours.cpu - before))}


def decided(ours: Server, keys: Sequence[str], query: str) -> dict[str, Any]:
    """Verdicts, lists and the map after a curator decided on each sample of a selection: the first of each kind, and the median
    and CPU time of those that follow, each after another verdict."""
    figures: dict[str, Any] = {"bulk": bulk(ours, query, "ok", undo=False)}

    def verdict(key: str) -> float:
        asked = {
            "subject": "sample",
            "subject_id": key,
            "decision": "reject",
            "label": "",
            "note": "",
            "curator": "Ann",
        }
        return ours.post("/api/marks", asked)[2]

    def asked(path: str) -> Callable[[str], float]:
        return lambda key: ours.get(path.format(key=key))[1]

    kinds = {
        "verdict": verdict,
        "first page": asked("/"),
        "sample page": asked("/sample/{key}"),
        "rejected ones": asked("/?state=reject"),
        "accepted ones of a curator": asked("/?state=ok&by=Ann"),
        "undecided ones, filtered": asked("/?state=undecided&min_words=100"),
        "points coloured by decision": asked("/plot.bin?x=wps&y=words&colour=state"),
        "queues": asked("/queues"),
    }
    for name, ask in kinds.items():
        took, used = list[float](), 0.0
        for key in keys:
            if ask is not verdict:
                verdict(key)
            before = ours.cpu
            took.append(ask(key))
            used += (ours.cpu - before) if len(took) > 1 else 0
        rest = took[1:]
        figures[name] = {
            "first": took[0], "p50": statistics.median(rest), "max": max(rest), "cpu": round(1000 * used / len(rest), 1),
        }  # fmt: skip
    return figures


def total_of(body: bytes, pattern: bytes) -> int:
    found = re.search(pattern, body)
    if found is None:
        raise Failed(f"a page does not say how many rows there are:\n{body[:2000].decode(errors='replace')}")
    return int(found[1].replace(b",", b""))
