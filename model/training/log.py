"""The output of a training: lines for people, metrics.jsonl, TensorBoard, Weights & Biases, and the picture of its losses."""

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

from longtake.schemas import storage
from longtake.schemas.wording import duration

EVALUATION = "eval/"  # prefix of metric names
MOST_WAITING = 0.2  # share of the time; a GPU that waits longer is told of
METRICS, PICTURE, WANDB_ID = "metrics.jsonl", "loss.png", "wandb_id"
# Names of the losses in a record, in the order of the progress line.
LOSSES = ("loss", "contrast", "mtc", "pixels", "mlm", "matching", "answer", "span", "accuracy")
_NOT_DRAWN = ("step", "seconds")


class Board(Protocol):
    """A place that shows metrics."""

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Show the metrics of a step."""
        ...

    def close(self) -> None:
        """Finish its files."""
        ...


class TensorBoard:
    """Writes to the folder tensorboard/ of a run. What it has after `step` is hidden."""

    def __init__(self, run: str, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(os.path.join(run, "tensorboard"), purge_step=step + 1)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class WandbRun:
    """Logs to Weights & Biases, as its environment variables say (WANDB_PROJECT, WANDB_MODE=offline ...).

    The file wandb_id in the run's folder lets a resumed training go on in the same W&B run. W&B ignores the steps that it has
    already; a resumed training repeats them with the same values.
    """

    def __init__(self, run: str, step: int) -> None:
        import wandb

        path = Path(run) / WANDB_ID
        if not path.exists():
            storage.write_bytes(str(path), uuid.uuid4().hex.encode())
        name = os.path.basename(os.path.normpath(run))
        self._run = wandb.init(
            dir=run, id=path.read_text().strip(), resume="allow", name=name,
            project=os.environ.get("WANDB_PROJECT") or "longtake", settings=wandb.Settings(console="off", silent=True),
        )  # fmt: skip
        self.url: str | None = None if self._run.offline else self._run.url

    def add(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


BOARDS: Mapping[str, type[TensorBoard | WandbRun]] = {"tensorboard": TensorBoard, "wandb": WandbRun}


def waiting_line(share: float, workers: int) -> str:
    """The line for people that the model waits for the loader for a share of the time."""
    return (
        f"The model waits {share:.0%} of the time for its data: raise data.workers (now {workers}) if there are cores left, "
        "or build the corpus with smaller frames"
    )


class TrainingLog:
    """Appends records to a run's metrics.jsonl and to boards, by name. Records after `step` are deleted first.

    `evaluated` has the steps whose evaluation is kept.
    """

    def __init__(self, run: str, step: int, boards: Sequence[str] = ("tensorboard",)) -> None:
        self.path = Path(run) / METRICS
        os.makedirs(run, exist_ok=True)
        kept = [record for record in read_metrics(run) if record["step"] <= step]
        storage.write_bytes(str(self.path), "".join(json.dumps(record) + "\n" for record in kept).encode())
        self.evaluated = {record["step"] for record in kept if any(name.startswith(EVALUATION) for name in record)}
        self.boards: list[Board] = [BOARDS[name](run, step) for name in boards]

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a record, which has at least `step`. Its numbers also go to the boards."""
        with self.path.open("a") as stream:
            stream.write(json.dumps(record) + "\n")
        values = {name: value for name, value in record.items() if name not in _NOT_DRAWN}
        for board in self.boards:
            board.add(record["step"], values)

    def close(self) -> None:
        """Finish the files of the boards."""
        for board in self.boards:
            board.close()


def read_metrics(run: str) -> list[dict[str, Any]]:
    """Return the records of a run, in order, without a last line that was cut off."""
    records = []
    path = Path(run) / METRICS
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records


def progress_line(record: Mapping[str, Any], steps: int, left_s: float) -> str:
    """Return a record as a line: losses, samples per second, share of time spent waiting for data, memory, time left."""
    parts = [f"step {record['step']}/{steps}", f"epoch {record['epoch']:.2f}"]
    parts += [f"{name} {record[name]:.3f}" for name in LOSSES if name in record]
    parts += [
        f"lr {record['lr']:.2g}",
        f"{record['samples_per_s']:.1f} samples/s",
        f"data wait {record['data_wait']:.0%}",
        f"{record['memory_gb']:.1f} GB",
        f"{duration(left_s)} left",
    ]
    if record.get("damaged"):
        parts.append(f"{record['damaged']:.0f} damaged samples")
    return "  ".join(parts)


# Metrics of an evaluation: name, title for people, and whether the value is a share.
_SHOWN = {
    "paragraph_to_video/r1": ("paragraph to video R@1", True),
    "video_to_paragraph/r1": ("video to paragraph R@1", True),
    "paragraph_to_video/chance_r1": ("chance", True),
    "paragraph_to_video/median_rank": ("median rank", False),
    "clip_to_sentence/accuracy": ("clip to sentence", True),
    "clip_to_sentence/chance": ("chance", True),
    "mlm": ("masked words", False),
    "mlm_accuracy": ("right", True),
    "matching": ("matching", False),
    "matching_accuracy": ("right", True),
    "answer/accuracy": ("right answers", True),
    "answer/chance": ("chance", True),
    "span/accuracy": ("frames of the span", True),
}


def evaluation_line(step: int, metrics: Mapping[str, float]) -> str:
    """Return the main numbers of an evaluation as a line."""
    shown = (
        f"{title} {metrics[name]:.1%}" if share else f"{title} {metrics[name]:.3g}"
        for name, (title, share) in _SHOWN.items()
        if name in metrics
    )
    return "  ".join([f"evaluation at step {step}:", *shown])


def draw_losses(run: str) -> str:
    """Draw the losses of a run over its steps, and R@1 if it was evaluated. Return the path of the picture."""
    records = read_metrics(run)
    recalls = sorted(
        {name for record in records for name in record if name.startswith(EVALUATION) and name.endswith("/r1")}
    )
    names = [name for name in LOSSES if any(name in record for record in records)]
    figure = Figure(figsize=(7, 3.5 if not recalls else 6), layout="constrained")
    axes = figure.subplots(1 + bool(recalls), squeeze=False, sharex=True)[:, 0]
    for axis, drawn, title in zip(axes, (names, recalls), ("loss", "R@1"), strict=False):
        for name in drawn:
            points = [(record["step"], record[name]) for record in records if name in record]
            label = name.removeprefix(EVALUATION).removesuffix("/r1").replace("_", " ")
            axis.plot(*zip(*points, strict=True), label=label, marker="o" if len(points) < 3 else None)
        axis.set_ylabel(title)
        axis.set_ylim(*((-0.03, 1.03) if title == "R@1" else (None, None)))
        axis.grid(alpha=0.3)
        if drawn:
            axis.legend(frameon=False)
    axes[-1].set_xlabel("step")
    path = os.path.join(run, PICTURE)
    figure.savefig(path, dpi=120)
    return path
