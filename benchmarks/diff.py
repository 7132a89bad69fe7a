"""Comparing two plans of millions of made-up sentences: CPU time and memory of `longtake diff`.

Run from the root of the repository:

    python benchmarks/diff.py                      3,000,000 sentences
    python benchmarks/diff.py --sentences 300000
"""

import argparse
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from measure import CACHE, RESULTS, Failed, Run, child, machine, report
from rich.console import Console
from synthetic_cast import cast
from synthetic_rows import make
from synthetic_text import vocabulary

from longtake.schemas import storage
from longtake.schemas.layout import part_name

_SENTENCES = 7.2  # of a long clip of synthetic_cast, on the average
#: Of each thousand long clips in A, so many are changed in B.
_GONE, _REWORDED, _RELICENSED, _MOVED = 10, 5, 3, 2


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, nargs="*", default=[300_000, 3_000_000])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def write_plans(folder: Path, sentences: int) -> dict[str, int]:
    """Write plans of about so many sentences into `a` and `b`, unless they are there; how B differs from A."""
    words = vocabulary(0)
    who = cast(max(1000, round(sentences / _SENTENCES)), 0, words)
    rng = np.random.default_rng(1)
    planted = {"rows": 0, "only in A": 0, "other text": 0, "other source": 0, "other split": 0}
    for number, piece in enumerate(who.pieces):
        draws = rng.integers(0, 1000, len(piece.video))
        planted["rows"] += len(draws)
        edges = np.cumsum([0, _GONE, _REWORDED, _RELICENSED, _MOVED])
        which = [(draws >= first) & (draws < last) for first, last in pairwise(edges)]
        for name, chosen in zip(list(planted)[1:], which, strict=True):
            planted[name] += int(chosen.sum())
        path = storage.join(str(folder), "{}", part_name(number))
        if storage.exists(path.format("b")):
            continue
        plan = make(piece, words, who.copies, None).plan
        storage.write_parquet(path.format("a"), plan)
        storage.write_parquet(path.format("b"), _changed(plan, *which))
    return planted


def _changed(plan: Any, gone: Any, reworded: Any, relicensed: Any, moved: Any) -> Any:
    sentences = plan["sentences"].combine_chunks()
    fields = dict(zip(sentences.type.value_type.names, sentences.flatten().flatten(), strict=True))
    louder = np.repeat(reworded, pc.list_value_length(sentences).to_numpy())
    fields["text"] = pc.if_else(pa.array(louder), pc.binary_join_element_wise(fields["text"], "!", ""), fields["text"])
    struct = pa.StructArray.from_arrays(list(fields.values()), fields=list(sentences.type.value_type))
    columns = {
        "sentences": pa.ListArray.from_arrays(sentences.offsets, struct),
        "license": pc.if_else(pa.array(relicensed), "CC0", plan["license"]),
        "split": pc.if_else(pa.array(moved), "test", plan["split"]),
    }
    for name, column in columns.items():
        plan = plan.set_column(plan.schema.get_field_index(name), plan.schema.field(name), column)
    return plan.filter(pa.array(~gone))


def measure(sentences: int) -> Run:
    """One comparison in a fresh process. Raises Failed, also if it does not find what was planted."""
    folder = CACHE / f"plans-{sentences}"
    planted = write_plans(folder, sentences)
    run = child("diff_child.py", {"a": str(folder / "a"), "b": str(folder / "b")})
    found = run.report["clips"]
    wrong = {name: (n, found[name]) for name, n in planted.items() if name != "rows" and found[name] != n}
    if wrong:
        raise Failed(f"planted and found: {wrong}")
    return run


def figures(runs: list[Run]) -> dict[str, Any]:
    """The figures of the run that took the least CPU."""
    best = min(runs, key=lambda run: float(run.report["cpu"]))
    return {
        "sentences": best.report["figures"]["sentences"]["a"],
        "clips": best.report["figures"]["long clips"]["a"],
        "startup_cpu_seconds": round(best.report["startup"], 2),
        "cpu_seconds": round(best.report["cpu"], 2),
        "wall_seconds": round(best.wall, 2),
        "peak_rss_mb": round(best.peak_rss / 1e6),
        "repeats": len(runs),
    }


def main() -> None:
    """Measure, print, write."""
    options, console, facts = arguments(), Console(), machine()
    results = []
    for sentences in [20_000] if options.quick else sorted(options.sentences):
        console.print(f"comparing two plans of about {sentences:,} sentences ...")
        results.append(figures([measure(sentences) for _ in range(options.repeats)]))
    headings = ["sentences in A", "long clips in A", "CPU-s", "of imports", "wall s", "peak memory, MB"]
    names = ("sentences", "clips", "cpu_seconds", "startup_cpu_seconds", "wall_seconds", "peak_rss_mb")
    rows = [[f"{result[name]:,}" for name in names] for result in results]
    report("diff", "longtake diff", headings, rows, {"runs": results}, options.results, facts)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
