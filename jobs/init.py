"""`longtake init`: a configuration to start from; short, or with every setting and its default."""

import json
import os
import textwrap
from importlib.resources import files
from typing import Annotated

import typer
import yaml

from longtake.jobs import terminal
from longtake.jobs.presets.fitting import fit
from longtake.jobs.presets.page import page
from longtake.jobs.presets.registry import preset_named
from longtake.schemas import storage
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import finished_manifest, unfinished
from longtake.schemas.wording import plural

CORPUS, TRAINING = "corpus.yaml", "train.yaml"
_OF_A_MACHINE = 8  # GPUs
_FETCH = """\
# To get the videos by `longtake fetch` (docs/sources.md), write in source, in place of its videos:
#   fetch: {{urls: "{}"}}
#   videos: videos.jsonl            # fetch writes it: the records of the videos that it got
"""


def init(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="The folder to write it to; created if it does not exist.")
    ] = ".",
    train: Annotated[
        str | None,
        typer.Option("--train", metavar="CORPUS", help="Write train.yaml, for training on this finished corpus."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Write every setting, its default, unit and meaning.")] = False,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="NAME", help="Write the settings for a published data set (docs/recipes.md)."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="With --train: write a published training, fitted to the GPUs, or tiny, for none (docs/training.md).",
        ),
    ] = None,
    gpus: Annotated[int, typer.Option("--gpus", min=1, help="With --preset: the number of GPUs.")] = 1,
    memory: Annotated[
        float, typer.Option("--memory", metavar="GB", min=1, help="With --preset: the memory of each GPU.")
    ] = 80,
) -> None:
    """Write DIR/corpus.yaml with the settings that you must choose, or with every setting. An existing file is never changed."""
    if preset is not None:
        if train is None or full or recipe is not None:
            raise ConfigError(
                "--preset needs --train CORPUS, and writes a configuration of its own; remove --full and --recipe"
            )
        content, differs = preset_template(preset, train, gpus, memory)
        of_paper = preset_named(preset).footprint is not None
        path = write_template(folder, TRAINING, content)
        for text in differs:
            terminal.print_line(terminal.console(), f"{'differs' if of_paper else 'note'}: {text}")
        several = f"--nnodes={gpus // _OF_A_MACHINE} --rdzv-backend=c10d --rdzv-endpoint=FIRST_MACHINE:29400 "
        machines = several if gpus > _OF_A_MACHINE else ""
        run = f"torchrun {machines}--nproc-per-node={min(gpus, _OF_A_MACHINE)} -m longtake.jobs.cli train"
        start = "longtake train" if gpus == 1 else run
        about = "what differs from the paper" if of_paper else "what to know of it"
        said = f"Wrote {path}. It starts with {about}. Train with: {start} {path}"
    elif recipe is not None:
        if full or train is not None:
            raise ConfigError("--recipe writes a configuration of its own; remove --full and --train")
        path = write_template(folder, CORPUS, recipe_template(recipe))
        said = f"Wrote {path}. Put the metadata files beside it, or name their places in it, then: longtake plan {path}"
    elif train is None:
        path = write_template(folder, CORPUS, template("corpus", full))
        said = f"Wrote {path}. Name your corpus and its source in it, then: longtake plan {path}"
    else:
        path = write_template(folder, TRAINING, training_template(train, full))
        said = f"Wrote {path}. Choose size and steps in it, then: longtake train {path}"
    terminal.print_line(terminal.console(), said)


def write_template(folder: str, name: str, content: str) -> str:
    """Write a template, and return its path. Raises ConfigError if the file exists already."""
    if not storage.is_remote(folder) and os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"{folder} is a file; name a folder")
    path = storage.join(folder, name)
    if storage.exists(path):
        raise ConfigError(
            f"{path} already exists; it was not changed. Choose another folder, or move the file away first."
        )
    storage.write_bytes(path, content.encode())
    return path


def template(kind: str, full: bool = True) -> str:
    """Return a commented configuration that comes with Longtake; `kind` is "corpus" or "train"."""
    name = f"{kind}_template.yaml" if full else f"{kind}_short_template.yaml"
    return files("longtake.jobs").joinpath(name).read_text(encoding="utf-8")


def recipe_template(name: str) -> str:
    """Return the configuration for a published data set. Raises ConfigError for an unknown one."""
    from longtake.pipeline.recipes.registry import recipe_named

    recipe = recipe_named(name, "--recipe")
    told = {"Files": recipe.files, "Licence": recipe.licence, "Missing": recipe.missing, "Paper": recipe.paper}
    head = [
        f"{recipe.title}: docs/recipes.md says more. `longtake init DIR --full` writes every setting with its default."
    ]
    head += [f"{name}: {text}." for name, text in told.items()]
    if "*" in recipe.paper:
        head.append("*: a number from memory; check it in the paper.")
    lines = [line for text in head for line in textwrap.wrap(text, 118, subsequent_indent="  ")]
    comment = "".join(f"# {line}\n" for line in lines)
    settings = recipe.configuration
    if recipe.has_urls:
        settings += _FETCH.format(yaml.safe_load(settings)["source"]["videos"])
    return f"{comment}\nname: {recipe.name}\noutput: out/{recipe.name}\n{settings}"


def training_template(corpus: str, full: bool = True) -> str:
    """Return the configuration of a training on `corpus`, with `run` beside it. Raises ConfigError for an unfinished corpus."""
    root = _root(corpus)
    if not storage.exists(Layout(root).manifest):
        raise ConfigError(str(unfinished(corpus)))
    lines = template("train", full).splitlines(keepends=True)
    ours = {"corpus: ": f"corpus: {json.dumps(root, ensure_ascii=False)}\n", "output: ": "output: run\n"}
    for number, line in enumerate(lines):
        for start, text in ours.items():
            if line.startswith(start):
                lines[number] = text
    return "".join(lines)


def preset_template(name: str, corpus: str, gpus: int, memory_gb: float) -> tuple[str, tuple[str, ...]]:
    """Return the configuration of a published training on `corpus`, and what differs from the publication.

    Raises ConfigError for an unknown preset, or one that does not fit GPUs or corpus; CorpusError for an unfinished corpus.
    """
    preset, root = preset_named(name), _root(corpus)
    fitted = fit(preset, finished_manifest(Layout(root)), gpus, memory_gb)
    if gpus > _OF_A_MACHINE and gpus % _OF_A_MACHINE:
        raise ConfigError(
            f"--gpus {gpus}: torchrun starts as many processes on each machine; name a multiple of {_OF_A_MACHINE}, or at "
            f"most {_OF_A_MACHINE}"
        )
    written = f"Written by: longtake init --train CORPUS --preset {name}"
    if preset.footprint is None:
        head = [f"{preset.title}, for a computer without a GPU.", written, "What to know of it:"]
    else:
        head = [
            f"{preset.title}, for {plural(gpus, 'GPU')} of {memory_gb:g} GB; published with {preset.gpus}.",
            f"{written} --gpus {gpus} --memory {memory_gb:g}",
            "What differs from the paper and its released configuration:",
        ]
    head += (f"- {text}" for text in fitted.differs)
    return page(tuple(head), template("train"), {"corpus": root, "output": "run", **fitted.settings}), fitted.differs


def _root(corpus: str) -> str:
    return corpus if storage.is_remote(corpus) else os.path.abspath(storage.local_path(corpus))
