"""`longtake audit` and `longtake browse` on a million samples, against pandas and against Datasette.

    python benchmarks/audit.py --peer VENV/bin/datasette     about 40 minutes
    python benchmarks/audit.py --quick                       a smoke run with 10,000 samples

The corpus is that of synthetic_corpus.py (--corpus, else it is made). Faults are planted in it: each check of the audit must find
as many as there are, or this ends with exit code 1. Nothing is written into the corpus; what is, goes into links to it.

Audit: wall time, CPU time of all processes, peak memory of all processes together; once with the tables alone (--frames 0), once
as people run it, with 2,000 samples' frames. The other way is what people do in a notebook: audit_pandas.py reads the columns
that are needed and computes the same counts, checks and histograms, without a report; its numbers must be the same.

Browse: time to the first answer with and without a cache, and answers over HTTP of one client that keeps its connection: 20
requests of each kind, each of another word, bound or sample, so that no answer is known before; then all again ("again"), which
is what turning pages or coming back costs. Datasette serves the same rows from SQLite with full text, an index on each column
that is asked for, facets off, its time limit raised so that it answers at all. Both give HTML pages of 50 rows and the number of
rows, which must be the same. Requests go to one and the other in turn. Datasette is installed by hand:

    python -m venv peer && peer/bin/pip install datasette sqlite-utils

What was expected before the first run (2 cores, 1,000,000 samples, an index of 1.7 GB):
- audit, tables alone: 90 s, 2.5 GB (DuckDB may have 2); of it most in sentences, frame times and near duplicates. With frames:
  120,000 JPEGs at 0.5 ms make another minute; 3 GB. The report: 4 MB.
- pandas: twice as long and 10 GB or more, as all columns are in memory at once.
- browse: 4 minutes to make the cache, most of it full text; 1 s with it. A filtered page 30 ms, sorted 100 ms for the first time,
  a sample 50 ms, a frame 5 ms, words 20 ms to 1 s by how common they are, for the first time.
- Datasette: 5 minutes to fill. A filtered page 200 ms or more, since it counts all rows that fit; sorted by an index: faster than
  ours; rare words: as fast as ours, both are FTS5; common words: slower than ours, since it looks each row up.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from browse_requests import MADE, measure_browse
from measure import CACHE, RESULTS, Failed, Sampler, child, machine, machine_line, markdown, write_results
from rich.console import Console
from rich.table import Table
from synthetic_corpus import write as write_corpus

#: What may be asked of a million samples: seconds, bytes, milliseconds.
TARGETS = {"audit wall s": 600, "audit peak GB": 4 * 1.073741824, "report MB": 15, "filtered page ms": 200,
           "first page ms": 300, "selection ms": 1000, "map ms": 2000, "slowest page ms": 3000}  # fmt: skip
#: Requests whose answer is a selection, and those that bring the map.
_SELECTIONS = ("filtered page", "common word, filtered", "SQL condition", "saved selections, combined", "area drawn on the map",
               "topic")  # fmt: skip
_MAP = ("points of the map",)
_SHARED = ("corpus.json", "index", "plan", "ledger", "shards")
_LIMIT_GB = 18  # of memory that the pandas run may have
_PACKAGES = ("duckdb", "flask", "pandas", "waitress")


@dataclass(frozen=True)
class Ran:
    """A command: seconds, CPU seconds with all descendants, peak memory of all of them together in bytes."""

    wall: float
    cpu: float
    peak_rss: int
    code: int


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="made by synthetic_corpus.py with the seed 0")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the corpus, where it is to be made")
    parser.add_argument("--peer", type=Path, help="the program datasette; sqlite-utils must lie beside it")
    parser.add_argument("--only", choices=("audit", "browse"))
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--made-up-map", action="store_true", help="points at random: longtake map takes minutes")
    parser.add_argument("--strict", action="store_true", help="exit code 1 also where a target is missed")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.quick and options.corpus is None:
        options.rows = 10_000
    if options.corpus is None:
        options.corpus = CACHE / f"synthetic-{options.rows}"
    return options


def run(command: list[str], log: Path) -> Ran:
    """Run a command to its end."""
    begun = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | {"PYTHONWARNINGS": "ignore"})
        sampler = Sampler(process.pid)
        try:
            code = process.wait(3600)
        finally:
            process.kill()
            sampler.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Ran(time.monotonic() - begun, cpu, sampler.peak, code)


@contextmanager
def linked(corpus: Path) -> Iterator[Path]:
    """A copy of the corpus that shares its files, of audit/ only the search tables and maps of `browse`."""
    folder = Path(tempfile.mkdtemp(prefix="longtake-bench-", dir=corpus.parent))
    try:
        for path in corpus.rglob("*"):
            inner = path.relative_to(corpus)
            is_shared = inner.parts[0] in _SHARED or (
                inner.parts[0] == "audit" and len(inner.parts) > 1 and inner.parts[1] in MADE
            )
            if path.is_file() and is_shared:
                target = folder / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, target)
        yield folder
    finally:
        shutil.rmtree(folder)


# -- audit -------------------------------------------------------------------------------------------------------------


def measure_audit(corpus: Path, console: Console) -> dict[str, Any]:
    """Figures of the audit and of pandas. Raises Failed where they found other numbers than were planted."""
    planted = json.loads((corpus / "planted.json").read_text())
    longtake = Path(sys.executable).parent / "longtake"
    figures: dict[str, Any] = {}
    for name, extra in (("tables", ["--frames", "0"]), ("whole", [])):
        with linked(corpus) as copy:
            console.print(f"longtake audit, {name}", style="dim")
            ran = run([str(longtake), "audit", str(copy), "--verify", "none", *extra], copy / "log")
            report = copy / "audit" / "report.html"
            if ran.code not in (0, 1) or not report.exists():
                raise Failed(f"longtake audit ended with {ran.code}:\n{(copy / 'log').read_text()[-3000:]}")
            found = json.loads((copy / "audit" / "audit.json").read_text())
            figures[name] = asdict(ran) | {"report_bytes": report.stat().st_size}
        figures["checks"] = compare(found, planted)
    console.print("pandas", style="dim")
    try:
        pandas = child("audit_pandas.py", {"corpus": str(corpus), "limit_gb": _LIMIT_GB})
    except Failed as failure:  # out of memory, for one
        figures["pandas"] = {"failed": str(failure).strip().splitlines()[-1]}
    else:
        for name, number in pandas.report["numbers"].items():
            if planted.get(name, number) != number:
                raise Failed(f"pandas found {number} for {name}, {planted[name]} were planted")
            if found["numbers"].get(name, number) != number:
                raise Failed(f"pandas found {number} for {name}, the audit {found['numbers'][name]}")
        left = {f"{row['subject']} {row['stage']} {row['reason']}": row["count"] for row in found["left_out"]}
        if pandas.report["left_out"] != left:
            raise Failed("pandas and the audit count what was left out differently")
        figures["pandas"] = {"wall": pandas.wall, "cpu": pandas.report["cpu"], "peak_rss": pandas.peak_rss,
                             "steps": pandas.report["steps"]}  # fmt: skip
    return figures


def compare(found: dict[str, Any], planted: dict[str, Any]) -> dict[str, dict[str, int]]:
    """What each check found beside what was planted. Raises Failed where they differ."""
    out: dict[str, dict[str, int]] = {}
    for check in found["checks"]:
        wanted = planted.get(check["name"])
        if wanted is None:
            continue
        numbers = re.findall(r"\d[\d,]*", check["found"])
        got = 0 if check["status"] == "pass" else int(numbers[0].replace(",", ""))
        if got != wanted:
            raise Failed(f"audit: {check['name']}: {wanted} were planted; it says: {check['found']}")
        out[check["name"]] = {"planted": wanted, "found": got}
    for name in ("samples", "videos", "words"):
        if found["numbers"][name] != planted[name]:
            raise Failed(f"audit: {name}: {found['numbers'][name]}, should be {planted[name]}")
    return out


def audit_table(figures: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The table of docs/benchmarks.md."""
    headings = ["", "wall s", "CPU s", "peak memory, GB", "report, MB"]
    rows = []
    for name, label in (
        ("tables", "`longtake audit --frames 0`"),
        ("whole", "`longtake audit` (frames of 2,000 samples)"),
    ):
        one = figures[name]
        rows.append([label, f"{one['wall']:.0f}", f"{one['cpu']:.0f}", f"{one['peak_rss'] / 1e9:.2f}",
                     f"{one['report_bytes'] / 1e6:.1f}"])  # fmt: skip
    pandas, base = figures["pandas"], figures["tables"]
    if "failed" in pandas:
        rows.append([f"pandas: {pandas['failed']}", "", "", f"> {_LIMIT_GB}", ""])
    else:
        rows.append([
            "pandas, the same numbers", f"{pandas['wall']:.0f} ({pandas['wall'] / base['wall']:.1f}x)",
            f"{pandas['cpu']:.0f} ({pandas['cpu'] / base['cpu']:.1f}x)",
            f"{pandas['peak_rss'] / 1e9:.2f} ({pandas['peak_rss'] / base['peak_rss']:.1f}x)", "",
        ])  # fmt: skip
    return headings, rows


# -- browse ------------------------------------------------------------------------------------------------------------


def start_table(figures: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The table of starts."""
    headings = ["", "first start, s", "later, s", "peak memory, GB", "later, GB", "on disk, GB"]
    rows = []
    for name in ("longtake", "datasette"):
        one = figures["starts"].get(name)
        if one is not None:
            rows.append([name, f"{one['first']:.0f}", f"{one['later']:.1f}", f"{one['first_peak'] / 1e9:.2f}",
                         f"{one['later_peak'] / 1e9:.2f}", f"{one['disk'] / 1e9:.2f}"])  # fmt: skip
    return headings, rows


def requests_table(figures: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The table of answers."""
    headings = [
        "ms",
        "p50",
        "p95",
        "max",
        "again, p50",
        "CPU",
        "rows found",
        "Datasette p50",
        "p95",
        "again, p50",
        "CPU",
        "CPU, times ours",
    ]
    rows = []
    for name, kind in figures["requests"].items():
        ours, peer = kind["longtake"], kind.get("datasette")
        row = [name, *(f"{ours[n]:.0f}" for n in ("p50", "p95", "max", "again")), f"{ours['cpu'][0]:.0f}",
               f"{kind['rows']:,}" if kind["rows"] is not None else ""]  # fmt: skip
        row += [""] * 5 if peer is None else [
            *(f"{peer[n]:.0f}" for n in ("p50", "p95", "again")), f"{peer['cpu'][0]:.0f}",
            f"{peer['cpu'][0] / max(1, ours['cpu'][0]):.1f}",
        ]  # fmt: skip
        rows.append(row)
    return headings, rows


def decided_table(figures: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The table of answers after everything was decided."""
    rows = [
        [name, *(f"{one[n]:.0f}" for n in ("first", "p50", "max", "cpu"))]
        for name, one in figures["decided"].items()
        if name != "bulk"
    ]
    return ["ms", "first", "p50", "max", "CPU"], rows


def verdicts(results: dict[str, Any]) -> list[tuple[bool, str]]:
    """Whether each target was met."""
    values = {}
    if "audit" in results:
        whole = results["audit"]["whole"]
        values |= {"audit wall s": whole["wall"], "audit peak GB": whole["peak_rss"] / 1e9,
                   "report MB": whole["report_bytes"] / 1e6}  # fmt: skip
    if "browse" in results:
        asked = results["browse"]["requests"]
        values["filtered page ms"] = asked["filtered page"]["longtake"]["p95"]
        values["first page ms"] = asked["first page"]["longtake"]["p95"]
        values["selection ms"] = max(asked[name]["longtake"]["p95"] for name in _SELECTIONS)
        values["map ms"] = max(asked[name]["longtake"]["p95"] for name in _MAP)
        decided = [one for name, one in results["browse"]["decided"].items() if name != "bulk"]
        slowest = [one["longtake"]["max"] for one in asked.values()] + [
            max(one["first"], one["max"]) for one in decided
        ]
        values["slowest page ms"] = max(slowest)
    return [
        (value < TARGETS[name], f"{name}: {value:.3g}, target {TARGETS[name]:.3g}") for name, value in values.items()
    ]


def show(console: Console, title: str, headings: list[str], rows: list[list[str]]) -> None:
    """Print a table."""
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def main() -> None:
    """Measure, print, write."""
    options, console, facts = arguments(), Console(width=160), machine()
    facts["versions"] |= {name: metadata.version(name) for name in _PACKAGES}
    corpus = options.corpus.resolve()
    if not (corpus / "corpus.json").exists():
        console.print(f"Making {corpus}", style="dim")
        write_corpus(options.rows, corpus, 0, facts["cores"])
    known = options.results / "audit.json"
    results: dict[str, Any] = json.loads(known.read_text())["results"] if options.only and known.exists() else {}
    parts = []
    if options.only != "browse":
        results["audit"] = measure_audit(corpus, console)
    if options.only != "audit":
        with linked(corpus) as copy:
            number = 4 if options.quick else 20
            results["browse"] = measure_browse(copy, corpus, options.peer, number, options.made_up_map, console)
            facts["versions"] |= results["browse"].pop("versions")
    if "audit" in results:
        parts.append(("audit", audit_table(results["audit"])))
    if "browse" in results:
        parts += [("start", start_table(results["browse"])), ("answers", requests_table(results["browse"]))]
        parts += [("after all was decided", decided_table(results["browse"]))]
    for title, (headings, rows) in parts:
        show(console, title, headings, rows)
    reached = verdicts(results)
    for good, text in reached:
        console.print(("pass: " if good else "MISS: ") + text, style="green" if good else "red", highlight=False)
    console.print(machine_line(facts), style="dim")
    path = write_results("audit", options.results, facts, results)
    lines = "".join(f"- {'pass' if good else 'MISS'}: {text}\n" for good, text in reached)
    path.with_suffix(".md").write_text("\n".join(markdown(*table) for _, table in parts) + "\n" + lines)
    console.print(f"{path} and .md written")
    if options.strict and not all(good for good, _ in reached):
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
