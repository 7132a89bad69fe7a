"""The inputs of a plan: sources, models, an edited plan. staging/ keeps them, so that a change is noticed."""

import json
from typing import Any

from longtake.pipeline.filters.lists import lists_of
from longtake.pipeline.find.folder import files_digest
from longtake.pipeline.plan.models import MODELS
from longtake.pipeline.read.chapters import IN_META
from longtake.pipeline.read.line_source import check_columns, files_like, files_of
from longtake.pipeline.recipes.metadata import check_file
from longtake.pipeline.recipes.registry import recipe_of
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout


def remember_inputs(layout: Layout, inputs: dict[str, Any]) -> None:
    """Save the inputs of a plan."""
    storage.write_bytes(_inputs_path(layout), json.dumps(inputs).encode())


def inputs_changed(config: CorpusConfig) -> bool:
    """Return whether the inputs have changed since the plan was made, if staging/ still has them."""
    try:
        known = json.loads(storage.read_bytes(_inputs_path(Layout(config.root))))
    except (OSError, ValueError):
        return False
    return bool(known != inputs_of(config))


def inputs_of(config: CorpusConfig) -> dict[str, Any]:
    """Return the settings of sources and limits, size and tag of each file that the configuration names, and models' digests;
    of a folder a digest of its files.

    Raises ConfigError for a missing file, or for a folder without a video.
    """
    source, recipe = config.source, recipe_of(config)
    if source.fetch is not None and not files_like(config.resolve(source.videos)):
        raise ConfigError(f"source.videos: {config.resolve(source.videos)}: not there yet; `longtake fetch` writes it")
    named: dict[str | None, tuple[str, ...]] = {
        source.videos: ("video_id",) if recipe is None else recipe.columns,
        source.groups: (),
        None if source.chapters == IN_META else source.chapters: (),
    }
    if source.text.format == "hdvila":
        named[source.text.file] = ("clip_id", "text")
    elif source.text.is_joined:
        named[source.text.file] = ()
    files = []
    for path, columns in named.items():
        for file in files_of(config.resolve(path)) if path else ():
            check_columns(file, columns)
            if recipe is not None:
                check_file(file)
            files.append(file)
    for path in lists_of(config):
        files += files_of(config.resolve(path))
    sizes = {file.removeprefix(f"{config.base}/"): list(storage.size_and_tag(file)) for file in files}
    known: dict[str, Any] = {
        "source": source.model_dump(mode="json", exclude={"fetch"}),
        "limits": config.limits.model_dump(mode="json"),
        "files": sizes,
    }
    if source.folder is not None:
        known["folder"] = files_digest(config.resolve(source.folder))
    return known | models_of(config)


def models_of(config: CorpusConfig) -> dict[str, str]:
    """Return the digest of each model that the configuration asks for. Raises ConfigError for a missing model."""
    return {name: model.digest(config) for name, model in MODELS.items() if model.asked(config)}


def other_models(config: CorpusConfig, layout: Layout) -> list[str]:
    """Return the models that have changed since the corpus was made, if its staging/ still has the digests."""
    try:
        known = json.loads(storage.read_bytes(_inputs_path(layout)))
    except (OSError, ValueError):
        return []
    return [name for name, digest in models_of(config).items() if known.get(name, digest) != digest]


def _inputs_path(layout: Layout) -> str:
    return storage.join(layout.staging, "inputs.json")


def remember_adopted(layout: Layout, folder: str) -> None:
    """Save which edited plan was adopted."""
    storage.write_bytes(_adopted_path(layout), json.dumps(_files_in(folder)).encode())


def is_adopted(layout: Layout, folder: str) -> bool:
    """Return whether the edited plan in `folder` was the last that was adopted."""
    try:
        return bool(json.loads(storage.read_bytes(_adopted_path(layout))) == _files_in(folder))
    except (OSError, ValueError):
        return False


def _files_in(folder: str) -> dict[str, list[Any]]:
    files = storage.list_files(folder, ".parquet") or [folder]
    return {file: list(storage.size_and_tag(file)) for file in files}


def _adopted_path(layout: Layout) -> str:
    return storage.join(layout.staging, "adopted.json")
