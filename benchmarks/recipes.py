"""Plans of real metadata by recipes, beside what the papers say.

The files are not part of the repository. Put them into a folder, those of each data set in a folder of the name of its recipe
(recipes/condensedmovies/metadata/clips.csv ...), then run from the root of the repository:

    python benchmarks/recipes.py recipes
    python benchmarks/recipes.py recipes --set youcook2:source.videos=yc2_val.json
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import RESULTS, machine, machine_line, markdown, write_results
from rich.console import Console

from longtake.jobs.build.plan import make_plan
from longtake.jobs.build.request import BuildRequest, ProbeMode
from longtake.jobs.init import recipe_template
from longtake.pipeline.read.made_lines import lines_in_order
from longtake.pipeline.recipes.registry import RECIPES
from longtake.schemas.config import CorpusConfig, load_config
from longtake.schemas.records import Drop


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="RECIPE:SETTING=VALUE", dest="changes")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def planned(config: CorpusConfig) -> dict[str, Any]:
    """The figures of a plan, and what it took."""
    start = time.process_time()
    summary = make_plan(
        BuildRequest(config, ProbeMode.NONE, beam_args=["--direct_running_mode=in_memory"]), Console(quiet=True)
    )
    plan_seconds = time.process_time() - start
    videos, sentences = summary.counts["videos"], summary.counts["sentences"]
    return {
        "videos_in": videos.total,
        "videos_planned": videos.kept,
        "sentences_in": sentences.total,
        "seconds_mean": round(summary.hours["in"] * 3600 / sentences.total, 1),
        "words_mean": round(summary.words["in"]["mean"], 1),
        "hours": round(summary.hours["in"], 1),
        "plan_cpu_seconds": round(plan_seconds, 1),
    }


def reading_seconds(config: CorpusConfig) -> tuple[int, float]:
    """The number of records that are made of the metadata alone, and the CPU seconds for it."""
    start = time.process_time()
    number = sum(not isinstance(one, Drop) for one in lines_in_order(config))
    return number, time.process_time() - start


def main() -> None:
    """Measure, print, write."""
    options, console, facts = arguments(), Console(), machine()
    figures: dict[str, Any] = {}
    for name in RECIPES:
        folder = options.folder / name
        if not folder.is_dir():
            continue
        changes = [one.partition(":")[2] for one in options.changes if one.startswith(f"{name}:")]
        with TemporaryDirectory() as output:
            path = folder / "corpus.yaml"
            path.write_text(recipe_template(name), encoding="utf-8")
            config = load_config(str(path), [*changes, f"output={output}/out"])
            figures[name] = planned(config)
            if config.source.recipe is not None:
                records, seconds = reading_seconds(config)
                figures[name] |= {"records": records, "reading_cpu_seconds": round(seconds, 2)}
    heading = [
        "recipe",
        "videos in",
        "planned",
        "sentences in",
        "seconds, mean",
        "words, mean",
        "hours",
        "plan, CPU-s",
        "paper",
    ]
    keys = ["videos_in", "videos_planned", "sentences_in", "seconds_mean", "words_mean", "hours", "plan_cpu_seconds"]
    rows = [[name, *(f"{found[key]:,}" for key in keys), RECIPES[name].paper] for name, found in figures.items()]
    table = markdown(heading, rows)
    console.print(table)
    console.print(machine_line(facts), style="dim")
    path = write_results("recipes", options.results, facts, figures)
    path.with_suffix(".md").write_text(table)
    console.print(f"{path} and .md written")


if __name__ == "__main__":
    main()
