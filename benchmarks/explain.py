"""Finding one video among millions of made-up sentences: CPU time of what `longtake explain` reads, inputs and plan.

Run from the root of the repository:

    python benchmarks/explain.py                      3,000,000 sentences
    python benchmarks/explain.py --sentences 300000
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from diff import write_plans
from measure import CACHE, RESULTS, machine, machine_line, markdown, write_results
from rich.console import Console
from synthetic import write_hdvila

from longtake.pipeline.explain.corpus import known_of
from longtake.pipeline.explain.read import read_video
from longtake.schemas.config import load_config
from longtake.schemas.layout import Layout

_CLIPS = 20  # sentences of a video


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=3_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def cpu_seconds(work: Callable[[], Any], repeats: int) -> float:
    """The least CPU time of some runs of `work`, which must find something."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        assert work(), "nothing found"
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    """Measure, print, write."""
    options, console, facts = arguments(), Console(), machine()
    sentences = 20_000 if options.quick else options.sentences
    videos = sentences // _CLIPS
    config = load_config(str(write_hdvila(CACHE / f"hdvila-{videos}x{_CLIPS}", videos, _CLIPS)))
    plans = CACHE / f"plans-{sentences}"
    write_plans(plans, sentences)
    corpus = CACHE / f"corpus-{sentences}"
    corpus.mkdir(exist_ok=True)
    if not (corpus / "plan").exists():
        (corpus / "plan").symlink_to(plans / "a")
    middle = sorted((corpus / "plan").glob("*.parquet"))
    planned = pq.read_table(middle[len(middle) // 2], columns=["video_id"])["video_id"][0].as_py()
    inputs = cpu_seconds(lambda: read_video(f"v{videos // 2:010d}", config).text, options.repeats)
    rows = cpu_seconds(lambda: known_of(Layout(str(corpus)), planned, False, False).clips, options.repeats)
    figures = {"sentences": sentences, "inputs_cpu_seconds": round(inputs, 2), "plan_cpu_seconds": round(rows, 2)}
    table = markdown(
        ["sentences", "inputs, CPU-s", "plan, CPU-s"], [[f"{sentences:,}", f"{inputs:.2f}", f"{rows:.2f}"]]
    )
    console.print(table)
    console.print(machine_line(facts), style="dim")
    path = write_results("explain", options.results, facts, figures)
    path.with_suffix(".md").write_text(table)
    console.print(f"{path} and .md written")


if __name__ == "__main__":
    main()
