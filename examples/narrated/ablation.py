"""The ablation of examples/narrated/README.md: what MTC and HTWA each bring on the narrated corpora.

    python examples/narrated/ablation.py            # trains what is missing, then writes results/

Every run is `tiny.yaml` with the changes of its variant and its seed; runs of one seed see the same batches in the same
order. Runs are independent processes of one thread each. Finished ones are kept, so the command can be repeated.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONFIG = HERE / "tiny.yaml"
RESULTS = HERE / "results"
SEEDS = (0, 1, 2)
OFFICIAL_MTC = {"own_clip_negatives": True, "ties_by_first_and_last": True, "global_map_as_local": True}


def windows(frames: int) -> dict[str, Any]:
    """The same temporal window in all six layers."""
    return {"windows": [[frames, 3, 5]] * 6, "local_window": max(8, frames)}


VARIANTS: dict[str, dict[str, Any]] = {
    "HTWA, MTC corrected": {},
    "HTWA, MTC official": {"compat": OFFICIAL_MTC},
    "HTWA, MTC off": {"losses": {"mtc_weight": 0.0}},
    "2-frame windows, MTC corrected": {"video": windows(2)},
    "32-frame windows, MTC corrected": {"video": windows(32)},
}
METRICS = {
    "paragraph_to_video/r1": "R@1",
    "paragraph_to_video/r5": "R@5",
    "paragraph_to_video/median_rank": "median rank",
    "order/r1": "order R@1",
    "order/pairwise": "order pairwise",
    "sentence_to_clip/accuracy": "alignment",
}


def run(variant: str, seed: int, steps: int | None, folder: Path) -> dict[str, Any]:
    """Train and evaluate in this process; returns the metrics, and what they cost."""
    import torch
    import yaml
    from order import order_test

    from longtake.model.data.loader import LoaderSettings, ShardLoader
    from longtake.model.retrieval.evaluation import evaluate_corpus
    from longtake.model.training.process import Process
    from longtake.model.training.trainer import Trainer
    from longtake.schemas.train_config import parse_train_config

    torch.set_num_threads(1)
    settings = yaml.safe_load(CONFIG.read_text())
    test = str(HERE / settings["corpus"]).replace("narrated/train", "narrated/test")
    model = {**settings["model"]}
    for part, changes in VARIANTS[variant].items():
        model[part] = {**model.get(part, {}), **changes}
    changes = {"model": model, "seed": seed, "output": str(folder), "base": str(HERE)}
    config = parse_train_config(settings | changes | ({"steps": steps} if steps else {}))
    trainer = Trainer(config, Process(0, 1, torch.device("cpu")))
    trainer.start()
    wall, cpu = time.monotonic(), time.process_time()
    trainer.run()
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu

    size, data = trainer.card.size, config.data
    loader = LoaderSettings(
        test, data.tokenizer, "test", training=False, sentences=data.sentences, height=size.height, width=size.width,
        tokens=data.tokens,
    )  # fmt: skip
    found = evaluate_corpus(trainer.model, ShardLoader(loader), "cpu") | order_test(trainer.model, ShardLoader(loader))
    cost = {"steps": trainer.steps, "batch_size": config.batch_size, "train_wall_s": wall, "train_cpu_s": cpu}
    return {"variant": variant, "seed": seed, **cost, **found}


def in_a_process(variant: str, seed: int, steps: int | None, runs: Path) -> dict[str, Any]:
    """The result of a run, from its folder where it is there already."""
    folder = runs / f"{variant.replace(',', '').replace(' ', '-')}-{seed}"
    result = folder / "result.json"
    if not result.exists():
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
        folder.mkdir(parents=True)
        command = [sys.executable, __file__, "--one", variant, str(seed), "--runs", str(runs)]
        with (folder / "log").open("a") as log:
            threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            extra = ["--steps", str(steps)] if steps else []
            subprocess.run([*command, *extra], check=True, stdout=log, stderr=log, env=os.environ | threads)
    found: dict[str, Any] = json.loads(result.read_text())
    print(f"{variant}, seed {seed}: " + ", ".join(f"{METRICS[name]} {found[name]:.3f}" for name in METRICS), flush=True)
    return found


def table(found: list[dict[str, Any]]) -> str:
    """Markdown: mean, standard deviation over the seeds and every seed's value."""
    lines = ["| variant | " + " | ".join(METRICS.values()) + " | CPU s |", "|---" * (len(METRICS) + 2) + "|"]
    for variant in VARIANTS:
        rows = sorted((row for row in found if row["variant"] == variant), key=lambda row: int(row["seed"]))
        cells = [_cell(name, [float(row[name]) for row in rows]) for name in METRICS]
        cost = statistics.mean(row["train_cpu_s"] for row in rows)
        lines.append(f"| {variant} | " + " | ".join(cells) + f" | {cost:.0f} |")
    return "\n".join(lines)


def _cell(name: str, values: list[float]) -> str:
    scale, form = (1, ".1f") if name.endswith("rank") else (100, ".1f")
    values = [scale * value for value in values]
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    each = ", ".join(f"{value:{form}}" for value in values)
    return f"**{statistics.mean(values):{form}}** ± {spread:{form}} ({each})"


def draw(found: list[dict[str, Any]], path: Path) -> None:
    """Every seed as a dot, the mean as a bar; chance as a line."""
    from matplotlib.figure import Figure

    chance = {
        "paragraph_to_video/r1": found[0]["paragraph_to_video/chance_r1"],
        "order/r1": found[0]["order/chance_r1"],
        "order/pairwise": 0.5,
        "sentence_to_clip/accuracy": found[0]["sentence_to_clip/chance"],
    }
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    for axes, (name, level) in zip(figure.subplots(1, len(chance), sharey=True), chance.items(), strict=True):
        for place, variant in enumerate(reversed(VARIANTS)):
            values = [100 * row[name] for row in found if row["variant"] == variant]
            axes.barh(place, statistics.mean(values), color="#9ecae1")
            axes.plot(values, [place] * len(values), "o", color="#08519c", markersize=4)
        axes.axvline(100 * level, color="#cb181d", linewidth=1)
        axes.set_yticks(range(len(VARIANTS)), list(reversed(VARIANTS)))
        axes.set_title(f"{METRICS[name]}, % (red: chance)", fontsize=10)
    figure.savefig(path, dpi=110)


def write(found: list[dict[str, Any]]) -> None:
    """results/ablation.json, .md and .png."""
    RESULTS.mkdir(exist_ok=True)
    packages = {name: metadata.version(name) for name in ("longtake", "torch", "numpy", "av")}
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, one thread for each run",
        "python": platform.python_version(),
        "packages": packages,
    }
    (RESULTS / "ablation.json").write_text(
        json.dumps({**about, "config": CONFIG.read_text(), "runs": found}, indent=1) + "\n"
    )
    first = found[0]
    cost = f"{first['steps']} steps of {first['batch_size']}; seeds {', '.join(str(seed) for seed in SEEDS)}"
    (RESULTS / "ablation.md").write_text(
        f"Written by ablation.py on {about['date']}: {about['machine']}; {cost}. In per cent, but for the rank: mean ± standard "
        f"deviation over seeds (each seed). Chance: R@1 {100 * first['paragraph_to_video/chance_r1']:.2f}, order R@1 "
        f"{100 * first['order/chance_r1']:.2f}, order pairwise 50, alignment 25.\n\n{table(found)}\n\n![](ablation.png)\n"
    )
    draw(found, RESULTS / "ablation.png")


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].split(":")[1].strip() if names else platform.machine()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=HERE.parents[1] / "out" / "narrated" / "ablation")
    parser.add_argument("--steps", type=int, help="instead of those of tiny.yaml")
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--one", nargs=2, metavar=("VARIANT", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        variant, seed = args.one
        folder = args.runs / f"{variant.replace(',', '').replace(' ', '-')}-{seed}"
        (folder / "result.json").write_text(json.dumps(run(variant, int(seed), args.steps, folder), indent=1) + "\n")
        return
    work = [(variant, seed) for seed in SEEDS for variant in VARIANTS]
    with ThreadPoolExecutor(args.parallel) as pool:
        found = list(pool.map(lambda pair: in_a_process(*pair, args.steps, args.runs), work))
    write(found)
    print(table(found))


if __name__ == "__main__":
    main()
