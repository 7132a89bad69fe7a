"""What the ideas of docs/training.md bring on the narrated corpus: `tiny`, three seeds for each setting, one thread.

    python examples/narrated/generate.py --train 300 --test 200          # sources; then both builds as in its README
    nice python benchmarks/ablations.py                                  # trains what is missing, then writes results/
    nice python benchmarks/ablations.py --settings plain learn_temperature    # some of them

All runs of a seed start from the same weights and see the same samples, in the same order but for `related`. Its vectors are
those of the plain run of the seed, after its last step: VideoCLIP has only those of the model so far. The moving average is
measured on the plain runs: it does not change the training. Settings of stage 2 go on from the plain run of their seed. Every run
is reported. Finished ones are kept in --runs, so the command can be repeated. Rows of results/ that are not asked for stay, if
the plain runs of then and now agree to the last digit; else the command ends with exit code 1. Another processor rounds in other
places, and after 800 steps that is another run: give its table a name of its own with --name.
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
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import yaml
from measure import machine

HERE = Path(__file__).resolve().parent
NARRATED = HERE.parent / "examples" / "narrated"
TEST = HERE.parent / "out" / "narrated" / "test"
RESULTS = HERE / "results"
SEEDS = (0, 1, 2)
FRAMES = 2  # of a sentence: about 130 CPU seconds for each run
PLAIN, PLAIN_2, AVERAGE = "plain", "stage 2, plain", "ema: 0.98"
RELATED = "related: vectors of the plain run"
COMMON: dict[str, Any] = {
    "steps": 800,  # after 300 the three plain runs stood at median ranks of 32, 14 and 7 of 200: one had just left the plateau
    "data": {"frames_per_sentence": FRAMES},
    "optimizer": {"lr": 1e-3},
    "save": {"every": 10**6},
    "log_to": [],
}
#: Changes of settings, section by section, for each row.
STAGE_1: dict[str, dict[str, Any]] = {
    PLAIN: {"ema": 0.98},
    "contrast: sigmoid": {"model": {"losses": {"contrast": "sigmoid"}}},
    "learn_temperature": {"model": {"losses": {"learn_temperature": True}}},
    "concatenate: 0.5": {"data": {"concatenate": 0.5}},
    "drop_sentences: 0.2": {"data": {"drop_sentences": 0.2}},
    "one_frame: 0.2": {"data": {"one_frame": 0.2}},
    "curriculum: 1 frame, from half way 2": {
        "data": {"curriculum": [{"until": 0.5, "frames_per_sentence": 1}, {"until": 1.0, "frames_per_sentence": 2}]}
    },
    RELATED: {"data": {"related": "vectors.parquet"}},  # beside the run
    "pixels_weight: 1": {"model": {"losses": {"pixels_weight": 1.0, "pixels_block": 8}}},  # a patch: there are 3 x 5
    "schedule: cosine": {"optimizer": {"schedule": "cosine"}},
    "layer_decay: 0.9": {"optimizer": {"layer_decay": 0.9}},
}
STAGE_2: dict[str, dict[str, Any]] = {
    PLAIN_2: {},
    "stage 2, matching_negatives: hard": {"model": {"losses": {"matching_negatives": "hard"}}},
}
SHOWN_1 = {
    "paragraph_to_video/r1": "R@1",
    "paragraph_to_video/r5": "R@5",
    "order/pairwise": "order pairwise",
    "sentence_to_clip/accuracy": "alignment",
}
SHOWN_2 = {"matching_accuracy": "matching", "mlm_accuracy": "masked words"}


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Settings with changes, section by section."""
    both = dict(first)
    for name, value in second.items():
        both[name] = (
            merged(both[name], value) if isinstance(value, dict) and isinstance(both.get(name), dict) else value
        )
    return both


def settings_of(name: str) -> dict[str, Any]:
    """The settings of a row, as in train.yaml."""
    settings = merged(yaml.safe_load((NARRATED / "tiny.yaml").read_text()), COMMON)
    if name in STAGE_2:
        return merged(merged(settings, {"model": {"stage": 2}}), STAGE_2[name])
    return merged(settings, STAGE_1[name])


def run(name: str, seed: int, runs: Path) -> list[dict[str, Any]]:
    """Train and evaluate, unless the results are there. Return a row for each model: of plain runs also the average's."""
    folder = runs / f"{''.join(c if c.isalnum() else '-' for c in name)}-{seed}"
    result = folder / "result.json"
    if not result.exists():
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
        rows = list(_rows(name, seed, runs, folder / "run"))
        result.write_text(json.dumps(rows, indent=1) + "\n")
    found: list[dict[str, Any]] = json.loads(result.read_text())
    return found


def _rows(name: str, seed: int, runs: Path, output: Path) -> Iterator[dict[str, Any]]:
    import torch

    from longtake.model.data.loader import ShardLoader
    from longtake.model.training.evaluation_fusion import evaluate_fusion
    from longtake.model.training.process import Process
    from longtake.model.training.trainer import Trainer
    from longtake.schemas.train_config import parse_train_config

    torch.set_num_threads(1)
    stage = 2 if name in STAGE_2 else 1
    settings = settings_of(name) | {"seed": seed, "output": str(output), "base": str(NARRATED)}
    if stage == 2:
        settings["init"] = {"weights": str(runs / f"{PLAIN}-{seed}" / "run")}
    if name == RELATED:
        settings["data"]["related"] = embedded(runs / f"{PLAIN}-{seed}" / "run", output.parent)
    process = Process(0, 1, torch.device("cpu"))
    trainer = Trainer(parse_train_config(settings), process, lambda line: None)
    trainer.start()
    cpu = time.process_time()
    trainer.run()
    about = {"seed": seed, "stage": stage, "steps": trainer.steps, "train_cpu_s": time.process_time() - cpu}
    test = replace(trainer.loader.settings, training=False, split="test", corpus=str(TEST))
    if stage == 2:
        found = evaluate_fusion(trainer.model, ShardLoader(test), trainer.stepper.tokenizer, process)
        yield {"setting": name, **about, **found}
        return
    yield {"setting": name, **about, **measured(trainer.model, test)}
    if name == PLAIN:
        with trainer._averaged():
            yield {"setting": AVERAGE, **about, **measured(trainer.model, test)}


def embedded(run: Path, folder: Path) -> str:
    """The vectors of the training corpus by the model of a run, as a table in `folder`."""
    table, corpus = folder / "vectors.parquet", TEST.parent / "train"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "longtake.jobs.cli", "embed", run, corpus, "--split", "train", "-o", table]
    subprocess.run([str(part) for part in command], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    return str(table)


def with_earlier(path: Path, found: list[dict[str, Any]], names: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Add the rows in `path` that were not asked for. Raises ValueError if the plain runs are others."""
    earlier = json.loads(path.read_text())["runs"] if path.exists() else []
    kept = [row for row in earlier if row["setting"] not in {row["setting"] for row in found}]

    def plain(rows: list[dict[str, Any]]) -> dict[int, list[float]]:
        return {row["seed"]: [row[metric] for metric in SHOWN_1] for row in rows if row["setting"] == PLAIN}

    if kept and plain(earlier) != plain(found):
        raise ValueError(f"{path} is of other plain runs: name all settings, or give this table another --name")
    there = {row["setting"] for row in (*kept, *found)}
    return kept + found, [name for name in (*STAGE_1, *STAGE_2) if name in {*names, *there}]


def measured(model: Any, test: Any) -> dict[str, float]:
    """Retrieval, alignment and order."""
    sys.path.insert(0, str(NARRATED))
    from order import order_test

    from longtake.model.data.loader import ShardLoader
    from longtake.model.retrieval.evaluation import evaluate_corpus

    return evaluate_corpus(model, ShardLoader(test), "cpu") | order_test(model, ShardLoader(test))


def table(found: list[dict[str, Any]], names: list[str], shown: dict[str, str], plain: str) -> str:
    """Markdown: mean and standard deviation over the seeds, and the difference to the plain run of each seed."""
    lines = ["| setting | " + " | ".join(shown.values()) + " | CPU s |", "|---" * (len(shown) + 2) + "|"]
    base = {row["seed"]: row for row in found if row["setting"] == plain}
    for name in names:
        rows = [row for row in found if row["setting"] == name]
        cells = []
        for metric in shown:
            values = [100 * row[metric] for row in rows]
            gains = [100 * (row[metric] - base[row["seed"]][metric]) for row in rows]
            gain = "" if name == plain else f" ({', '.join(f'{gain:+.1f}' for gain in gains)})"
            cells.append(f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}{gain}")
        cost = statistics.mean(row["train_cpu_s"] for row in rows)
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {cost:.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("out/ablations"))
    parser.add_argument(
        "--settings", nargs="+", default=[*STAGE_1, *STAGE_2], choices=[*STAGE_1, *STAGE_2], metavar="SETTING"
    )
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--name", default="ablations", help="of the files in results/")
    args = parser.parse_args()
    result = RESULTS / args.name
    names, runs = [PLAIN, *(name for name in args.settings if name != PLAIN)], args.runs.resolve()
    found: list[dict[str, Any]] = []
    with ProcessPoolExecutor(args.parallel, mp_context=get_context("spawn")) as pool:
        plain = [pool.submit(run, PLAIN, seed, runs) for seed in SEEDS]
        found += [row for job in plain for row in job.result()]  # stage 2 starts from them
        others = [pool.submit(run, name, seed, runs) for seed in SEEDS for name in names[1:]]
        for job in others:
            for row in job.result():
                shown = SHOWN_2 if row["stage"] == 2 else SHOWN_1
                told = ", ".join(f"{shown[one]} {row[one]:.3f}" for one in shown)
                print(f"{row['setting']}, seed {row['seed']}: {told}", flush=True)
                found.append(row)
    try:
        found, names = with_earlier(result.with_suffix(".json"), found, names)
    except ValueError as error:
        sys.exit(str(error))
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{machine()['cpu']}, {os.cpu_count()} cores, one thread for each run",
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in ("longtake", "torch")},
        "training_samples": json.loads((TEST.parent / "train" / "corpus.json").read_text())["splits"]["train"][
            "samples"
        ],
        "test_samples": found[0]["samples"],
        "common": COMMON,
        "settings": STAGE_1 | STAGE_2,
    }
    result.with_suffix(".json").write_text(json.dumps({"about": about, "runs": found}, indent=1) + "\n")
    first = [PLAIN, AVERAGE, *(name for name in names if name in STAGE_1 and name != PLAIN)]
    tables = table(found, first, SHOWN_1, PLAIN)
    if second := [name for name in names if name in STAGE_2]:
        tables += "\n" + table(found, second, SHOWN_2, PLAIN_2)
    result.with_suffix(".md").write_text(tables)
    print(tables)


if __name__ == "__main__":
    main()
