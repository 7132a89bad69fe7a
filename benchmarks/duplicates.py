"""Duplicates among a million made-up paragraphs: time, peak memory, and how many of the planted ones are found.

    python benchmarks/duplicates.py                    1,000,000 paragraphs
    python benchmarks/duplicates.py --count 20000      a quick run

A tenth of the paragraphs repeat another word for word, a tenth with some words changed, and one paragraph stands in one of a
hundred places. The rest are distinct. The graph is that of `longtake plan`, on Beam's in-process runner, which holds in memory
what goes through a join: so peak memory is what a paragraph costs in all joins together.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure import RESULTS, machine, machine_line, markdown, write_results
from rich.console import Console
from rich.table import Table

_WORDS, _VOCABULARY = 100, 20_000
_SAME, _NEAR, _COMMON = 0.1, 0.1, 0.01
_CHANGED = 1  # words of a near-duplicate that are others: similarity about 0.9


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, nargs="*", default=[1_000_000], help="of paragraphs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def paragraphs(start: int, end: int) -> Iterator[tuple[bytes, str]]:
    """Paragraphs `start` to `end`, each made from its number alone."""
    from longtake.pipeline.plan.duplicates.survivors import ranked

    for number in range(start, end):
        yield ranked(f"v{number:08d}-000000000-000060000", 0), _text(number)


def kind_of(number: int) -> str:
    """What a paragraph is: first of its kind, the same as an earlier one, near to one, or the one that is everywhere."""
    draw = random.Random(f"kind {number}").random() if number else 1.0
    for kind, share in (("same", _SAME), ("near", _NEAR), ("common", _COMMON)):
        if draw < share:
            return kind
        draw -= share
    return "first"


def _text(number: int) -> str:
    rng = random.Random(number)
    kind = kind_of(number)
    if kind == "common":
        return _fresh(-1)
    if kind == "first":
        return _fresh(number)
    origin = number - 1
    while kind_of(origin) != "first":
        origin -= 1
    text = _fresh(origin)
    if kind == "near":
        spoken = text.split()
        for at in rng.sample(range(len(spoken)), _CHANGED):
            spoken[at] = f"x{number}"
        text = " ".join(spoken)
    return text


def _fresh(number: int) -> str:
    rng = random.Random(f"text {number}")
    return " ".join(f"w{rng.randrange(_VOCABULARY)}" for _ in range(_WORDS))


def _made(block: tuple[int, int]) -> Iterator[tuple[bytes, str]]:
    return paragraphs(*block)


def run_child(report: Path, count: int) -> None:
    """One run, in a process of its own: find the duplicates, and count them by kind."""
    import apache_beam as beam

    from longtake.pipeline.plan.duplicates.find import FindDuplicates, duplicates_of
    from longtake.pipeline.run.runner import pipeline_options

    blocks = [(at, min(at + 1000, count)) for at in range(0, count, 1000)]
    out = report.with_suffix(".found")
    start, cpu = time.monotonic(), time.process_time()
    with beam.Pipeline(
        options=pipeline_options(["--direct_running_mode=in_memory", "--direct_num_workers=1"], 1)
    ) as root:
        _ = (
            root
            | "Blocks" >> beam.Create(blocks)
            | "Paragraphs" >> beam.FlatMap(_made)
            | "Find" >> FindDuplicates(0.8)
            | "Duplicates" >> beam.FlatMap(lambda batch: duplicates_of([batch]))
            | "Kind" >> beam.Map(lambda found: "same" if found.similarity is None else "near")
            | "Count" >> beam.combiners.Count.PerElement()
            | "List" >> beam.combiners.ToList()
            | "Write" >> beam.Map(lambda found: Path(out).write_text(json.dumps(dict(found))))
        )
    seconds, cpu = time.monotonic() - start, time.process_time() - cpu
    making = time.process_time()
    for _ in paragraphs(0, min(count, 10_000)):
        pass
    making = (time.process_time() - making) * count / min(count, 10_000)
    planted = [kind_of(number) for number in range(count)]
    report.write_text(
        json.dumps(
            {
                "count": count,
                "wall_seconds": round(seconds, 1),
                "cpu_seconds": round(cpu, 1),
                "making_cpu_seconds": round(making, 1),
                "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "found": json.loads(out.read_text()),
                "planted": {kind: planted.count(kind) for kind in ("same", "near", "common", "first")},
            }
        )
    )


def measure(count: int) -> dict[str, Any]:
    """The figures of a run in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, __file__, "--child", str(report), "--count", str(count)]
        subprocess.run(command, check=True)
        found: dict[str, Any] = json.loads(report.read_text())
    expected = found["planted"]["same"] + found["planted"]["near"] + max(0, found["planted"]["common"] - 1)
    found["recall"] = round(sum(found["found"].values()) / expected, 4)
    found["bytes_per_paragraph"] = round((found["peak_rss"] - 200e6) / count)
    found["paragraphs_per_cpu_second"] = round(count / max(0.1, found["cpu_seconds"] - found["making_cpu_seconds"]))
    return found


def main() -> None:
    """Run, print, write results."""
    options = arguments()
    if options.child:
        run_child(options.child, options.count[0])
        return
    facts, console = machine(), Console(width=140)
    results = [measure(count) for count in options.count]
    headings = [
        "paragraphs",
        "wall s",
        "CPU s",
        "of these making the text",
        "paragraphs per CPU s",
        "peak memory",
        "found",
    ]
    rows = [
        [
            f"{r['count']:,}",
            f"{r['wall_seconds']:,.0f}",
            f"{r['cpu_seconds']:,.0f}",
            f"{r['making_cpu_seconds']:,.0f}",
            f"{r['paragraphs_per_cpu_second']:,}",
            f"{r['peak_rss'] / 1e9:.2f} GB",
            f"{sum(r['found'].values()):,} ({r['recall']:.2%} of those planted)",
        ]
        for r in results
    ]
    table = Table(title="Duplicate paragraphs", title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    path = write_results("duplicates", options.results, facts, {"runs": results})
    path.with_suffix(".md").write_text(markdown(headings, rows))
    console.print(machine_line(facts), style="dim")
    console.print(f"{path} and .md written")


if __name__ == "__main__":
    main()
