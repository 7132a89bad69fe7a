"""What the ideas of docs/training.md bring on the narrated corpus: `tiny`, three seeds for each setting, one thread.

    python examples/narrated/generate.py --train 300 --test 200          # sources, then both builds as in its README
    python benchmarks/ablations.py                                       # trains what is missing, then writes results/

All runs of a seed start from the same weights and see the same samples in the same order. Settings of stage 2 go on from the
plain run of stage 1 of their seed. Every run is reported. Finished ones are kept in --runs, so the command can be repeated.
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
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
NARRATED = HERE.parent / "examples" / "narrated"
RESULT = HERE / "results" / "ablations"
SEEDS = (0, 1, 2)
FRAMES = 2  # of a sentence
PLAIN, PLAIN_2 = "plain", "stage 2, plain"
COMMON: dict[str, Any] = {
    "steps": 300,
    "data": {"frames_per_sentence": FRAMES},
    "optimizer": {"lr": 1e-3},
    "save": {"every": 10**6},
    "log_to": [],
}
#: Changes of settings, section by section, for each row.
STAGE_1: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "contrast: sigmoid": {"model": {"losses": {"contrast": "sigmoid"}}},
    "learn_temperature": {"model": {"losses": {"learn_temperature": True}}},
    "concatenate: 0.5": {"data": {"concatenate": 0.5}},
    "drop_sentences: 0.2": {"data": {"drop_sentences": 0.2}},
    "one_frame: 0.2": {"data": {"one_frame": 0.2}},
    "curriculum: 1 frame, from half way 2": {
        "data": {"curriculum": [{"until": 0.5, "frames_per_sentence": 1}, {"until": 1.0, "frames_per_sentence": 2}]}
    },
    "ema: 0.98": {"ema": 0.98},
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


def run(name: str, seed: int, runs: Path) -> dict[str, Any]:
    """Train and evaluate in this process."""
    sys.path.insert(0, str(NARRATED))
    import torch
    from order import order_test

    from longtake.model.data.loader import ShardLoader
    from longtake.model.retrieval.evaluation import evaluate_corpus
    from longtake.model.training.evaluation_fusion import evaluate_fusion
    from longtake.model.training.process import Process
    from longtake.model.training.trainer import Trainer
    from longtake.model.weights.checkpoint import load_model
    from longtake.schemas.train_config import parse_train_config

    torch.set_num_threads(1)
    stage = 2 if name in STAGE_2 else 1
    settings = merged(yaml.safe_load((NARRATED / "tiny.yaml").read_text()), COMMON)
    settings = merged(settings, (STAGE_2 if stage == 2 else STAGE_1)[name])
    if stage == 2:
        settings = merged(
            settings, {"model": {"stage": 2}, "init": {"weights": str(folder_of(PLAIN, seed, runs) / "run")}}
        )
    settings |= {"seed": seed, "output": str(folder_of(name, seed, runs) / "run"), "base": str(NARRATED)}
    process = Process(0, 1, torch.device("cpu"))
    trainer = Trainer(parse_train_config(settings), process)
    trainer.start()
    cpu = time.process_time()
    trainer.run()
    cpu = time.process_time() - cpu

    test = replace(
        trainer.loader.settings,
        training=False,
        split="test",
        corpus=trainer.loader.settings.corpus.replace("/train", "/test"),
    )
    model, _ = load_model(settings["output"])  # with ema, the average
    if stage == 2:
        found = evaluate_fusion(model, ShardLoader(test), trainer.stepper.tokenizer, process)
    else:
        found = evaluate_corpus(model, ShardLoader(test), "cpu") | order_test(model, ShardLoader(test))
    return {"setting": name, "seed": seed, "stage": stage, "steps": trainer.steps, "train_cpu_s": cpu, **found}


def folder_of(name: str, seed: int, runs: Path) -> Path:
    """The folder of a run."""
    return runs / f"{''.join(c if c.isalnum() else '-' for c in name)}-{seed}"


def in_a_process(name: str, seed: int, runs: Path) -> dict[str, Any]:
    """The result of a run; from its folder if it is there already."""
    folder = folder_of(name, seed, runs)
    result = folder / "result.json"
    if not result.exists():
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
        folder.mkdir(parents=True)
        command = [sys.executable, __file__, "--one", name, str(seed), "--runs", str(runs)]
        with (folder / "log").open("w") as log:
            threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            subprocess.run(command, check=True, stdout=log, stderr=log, env=os.environ | threads)
    found: dict[str, Any] = json.loads(result.read_text())
    shown = SHOWN_2 if found["stage"] == 2 else SHOWN_1
    print(f"{name}, seed {seed}: " + ", ".join(f"{shown[one]} {found[one]:.3f}" for one in shown), flush=True)
    return found


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
    parser.add_argument("--one", nargs=2, metavar=("SETTING", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    runs = args.runs.resolve()
    if args.one:
        name, seed = args.one[0], int(args.one[1])
        result = json.dumps(run(name, seed, runs), indent=1) + "\n"
        (folder_of(name, seed, runs) / "result.json").write_text(result)
        return
    names = [*STAGE_1, *STAGE_2]
    found = [in_a_process(name, seed, runs) for seed in SEEDS for name in names]
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, one thread for each run",
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in ("longtake", "torch")},
        "common": COMMON,
        "settings": STAGE_1 | STAGE_2,
    }
    RESULT.with_suffix(".json").write_text(json.dumps({"about": about, "runs": found}, indent=1) + "\n")
    tables = table(found, list(STAGE_1), SHOWN_1, PLAIN) + "\n" + table(found, list(STAGE_2), SHOWN_2, PLAIN_2)
    RESULT.with_suffix(".md").write_text(tables)
    print(tables)


if __name__ == "__main__":
    main()
