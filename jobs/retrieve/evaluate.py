"""`longtake evaluate`: how well a model finds videos and paragraphs, answers questions and labels videos."""

import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from longtake.jobs import terminal
from longtake.jobs.damage import damage_shown
from longtake.jobs.retrieve.inference import (
    Device,
    Precision,
    Report,
    Run,
    Workers,
    autocast_dtype,
    load_embedder,
    print_table,
    short_side,
    write_report,
)
from longtake.schemas import storage
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.extras import check_extras
from longtake.schemas.wording import plural

if TYPE_CHECKING:
    from longtake.model.retrieval.annotations import AnnotationProblem, Annotations

_NAMES = {
    "paragraph_to_video": "paragraph to video",
    "video_to_paragraph": "video to paragraph",
    "clip_to_sentence": "clip to sentence",
    "sentence_to_clip": "sentence to clip",
    "r1": "R@1",
    "r5": "R@5",
    "r10": "R@10",
    "median_rank": "median rank",
    "mean_rank": "mean rank",
    "accuracy": "accuracy",
    "answer": "answer",
    "span": "frames of the span",
}


def evaluate(
    run: Run,
    corpus: Annotated[str | None, typer.Argument(metavar="[CORPUS]", help="A finished corpus.")] = None,
    split: Annotated[str | None, typer.Option(help="The split of the corpus; val by default.")] = None,
    annotations: Annotated[
        str | None, typer.Option(metavar="FILE", help="Annotations of a data set, instead of a corpus.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Format of the annotations: activitynet, didemo, queryd, condensed-movies or jsonl."
        ),
    ] = None,
    videos: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="The annotated videos: a folder, or a template as in 'videos/{id}.mp4'."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Use only the annotated videos in this list, one id per line."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Videos to encode at once.")] = 16,
    workers: Workers = 0,
    device: Device = None,
    precision: Precision = None,
    json_file: Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write the metrics as JSON.")] = None,
    report: Report = None,
) -> None:
    """Report R@1, R@5, R@10 and ranks in both directions, and how often a clip is nearest to its own sentence. For a model of
    questions or labels, report its accuracy.

    Ties count as if broken at random. Chance stands beside each number. torchrun can share a corpus among processes.
    """
    if (corpus is None) == (annotations is None):
        raise ConfigError("name either a corpus or --annotations FILE")
    use = _Use(run, split, batch_size, workers, device, precision)
    console = terminal.console(is_answer=True)
    if corpus is not None:
        if any(option is not None for option in (format, videos, only, report)):
            raise ConfigError("--format, --videos, --only and --report need --annotations FILE")
        of = {"corpus": corpus, "split": split or "val"}
        found = _evaluate_corpus(use, corpus)
        if found is None:
            return
        metrics = found
        terminal.print_line(console, _counted(metrics))
    else:
        if annotations is None or format is None or videos is None:
            raise ConfigError("--annotations needs --format and --videos")
        of = {"annotations": annotations, "format": format}
        metrics, problems = _evaluate_annotations(use, annotations, format, videos, only)
        print_table(console, "Not used", [(annotations, p.id, p.reason, p.detail) for p in problems])
        terminal.print_line(console, _of_how_many(metrics))
        if report:
            write_report(report, [vars(problem) for problem in problems])
    if not metrics.get("samples", metrics.get("items", metrics.get("paragraphs"))):
        raise CorpusError("nothing could be evaluated")
    print_metrics(console, metrics)
    if json_file:
        text = json.dumps({"run": run, **of, "metrics": {k: _number(v) for k, v in metrics.items()}}, indent=2)
        storage.write_bytes(json_file, f"{text}\n".encode())


@dataclass(frozen=True)
class _Use:
    """The model, and how to run it."""

    run: str
    split: str | None
    batch_size: int
    workers: int
    device: str | None
    precision: str | None


def _number(value: float) -> float | None:
    return None if value != value else value


# -- a corpus ----------------------------------------------------------------------------------------------------------


def _evaluate_corpus(use: _Use, corpus: str) -> dict[str, float] | None:
    """Return the metrics; None on ranks that print nothing."""
    from longtake.model.data.loader import LoaderSettings, ShardLoader
    from longtake.model.retrieval.evaluation import evaluate_corpus
    from longtake.model.training.evaluation_task import evaluate_task
    from longtake.model.training.process import joined
    from longtake.model.weights.checkpoint import load_model
    from longtake.pipeline.run.slots import cores

    model, card = load_model(use.run)
    size = card.size
    settings = LoaderSettings(
        corpus,
        card.tokenizer,
        split=use.split or "val",
        training=False,
        batch_size=use.batch_size,
        sentences=size.clips,
        frames_per_sentence=size.frames_per_clip,
        height=size.height,
        width=size.width,
        tokens=card.tokens,
        task=card.task,
        frames=size.clips * size.frames_per_clip,
    )
    with damage_shown(), joined(use.device) as process:
        settings = replace(settings, workers=use.workers or max(1, cores() // process.ranks))
        try:
            loader = ShardLoader(settings, process.rank, process.ranks)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        dtype = autocast_dtype(process.device.type, use.precision)
        model = model.to(process.device)
        if card.task is not None:
            metrics = evaluate_task(model, loader, card.task, process, dtype)
        else:
            metrics = evaluate_corpus(model, loader, process.device, dtype)
        return metrics if process.leads else None


def _counted(metrics: dict[str, float]) -> str:
    if "items" in metrics:
        items, damaged, short = (int(metrics[name]) for name in ("items", "damaged", "short"))
        return f"{items:,} of {items + damaged:,} items: {damaged:,} damaged; {plural(short, 'sample')} without a task"
    samples, damaged, short = (int(metrics[name]) for name in ("samples", "damaged", "short"))
    return (
        f"{samples:,} of {samples + damaged + short:,} samples: {damaged:,} damaged, {short:,} with too few sentences"
    )


# -- annotations -------------------------------------------------------------------------------------------------------


def _evaluate_annotations(
    use: _Use, path: str, name: str, videos: str, only: str | None
) -> "tuple[dict[str, float], list[AnnotationProblem]]":
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("--annotations works in one process only; start it without torchrun")
    check_extras("longtake evaluate --annotations", "build", "train")
    from longtake.jobs.retrieve.evaluate_annotations import encode
    from longtake.model.retrieval.annotation_formats import FORMATS, read_annotations, read_list
    from longtake.model.retrieval.annotations import AnnotationError, VideoFiles
    from longtake.pipeline.run.slots import close_shared_slots, cores, shared_slots

    try:
        found: Annotations = read_annotations(path, name, use.split)
        if only is not None:
            found = found.only(read_list(only))
        files = VideoFiles(videos, FORMATS[name].prefix)
    except AnnotationError as error:
        raise ConfigError(str(error)) from None
    embedder = load_embedder(use.run, use.device, use.precision)
    slots = shared_slots(use.workers or cores())
    encoded = encode(found, files, embedder, slots, short_side(embedder), use.batch_size, FORMATS[name].sentences)
    close_shared_slots()
    return encoded.metrics(found.total), [*found.problems, *encoded.problems]


def _of_how_many(metrics: dict[str, float]) -> str:
    used, total = int(metrics["paragraphs"]), int(metrics["records"])
    text = f"{used:,} of {total:,} paragraphs, {plural(int(metrics['videos']), 'video')}"
    if used < total:
        text += ". Among fewer videos the right one is easier to find: compare only with results on the same videos"
    return text


# -- printing ----------------------------------------------------------------------------------------------------------


def print_metrics(console: Console, metrics: dict[str, float]) -> None:
    """Print the metrics as a table, with chance beside each."""
    from rich.table import Table

    table = Table()
    for heading in ("", "metric", "value", "chance"):
        table.add_column(heading, justify="right" if heading in ("value", "chance") else "left")
    last = ""
    for key, value in metrics.items():
        group, _, metric = key.partition("/")
        if not metric or metric.startswith("chance"):
            continue
        chance = metrics[f"{group}/chance" if metric == "accuracy" else f"{group}/chance_{metric}"]
        table.add_row(
            "" if group == last else _NAMES[group], _NAMES[metric], _shown(metric, value), _shown(metric, chance)
        )
        last = group
    console.print(table)
    for key, what in (("nan_scores", "pairs"), ("nan_alignment_scores", "clip-sentence pairs")):
        if metrics.get(key):
            terminal.print_line(
                console, f"{int(metrics[key]):,} {what} had a score that is not a number; they rank last"
            )


def _shown(metric: str, value: float) -> str:
    if value != value:
        return "none"
    return f"{value:,.1f}" if metric.endswith("rank") else f"{100 * value:.2f} %"


__all__: list[Any] = ["evaluate", "print_metrics"]
