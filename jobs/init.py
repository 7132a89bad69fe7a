"""`longtake init`: a configuration to start from, with every setting and its default."""

import os
from importlib.resources import files
from typing import Annotated

import typer

from longtake.schemas import storage
from longtake.schemas.config import ConfigError

NAME = "corpus.yaml"


def init(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="Where to write corpus.yaml; made if it is not there.")
    ] = ".",
) -> None:
    """Write DIR/corpus.yaml: every setting, its default, its unit and what it does. An existing file is left alone."""
    path = write_template(folder)
    typer.echo(f"Wrote {path}. Name your corpus and its source in it, then: longtake plan {path}")


def write_template(folder: str) -> str:
    """Write the template, and return its path. Raises ConfigError where there is a configuration already."""
    if not storage.is_remote(folder) and os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"{folder} is a file; name a folder")
    path = storage.join(folder, NAME)
    if storage.exists(path):
        raise ConfigError(f"{path} is there already; it was not changed. Choose another folder, or move it away first.")
    storage.write_bytes(path, template())
    return path


def template() -> bytes:
    """The commented configuration that comes with Longtake."""
    return files("longtake.jobs").joinpath("corpus_template.yaml").read_bytes()
