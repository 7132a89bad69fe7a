"""The parts of a training from its configuration: the model, its starting weights, the settings of its loader."""

import os
import pickle
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from longtake.library.dataset import read_finished
from longtake.model.data.loader import LoaderSettings
from longtake.model.data.text import UNCASED, load_tokenizer
from longtake.model.data.transforms import CropRange
from longtake.model.network import window_passes
from longtake.model.network.compat import Compat, compat_of
from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import SIZES, ModelSize
from longtake.model.training.step import mixed_dtype
from longtake.model.training.tasks import frames_per_clip, stage_of, task_head
from longtake.model.weights.checkpoint import ModelCard, weights_path
from longtake.model.weights.official import load_official
from longtake.model.weights.pretrained import load_bert, load_swin, weights_file
from longtake.schemas import storage
from longtake.schemas.errors import ArgumentError, ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest
from longtake.schemas.train_config import TrainConfig

_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_WEIGHTS_FILE = re.compile(r".*\.(safetensors|bin|pt|pth|ckpt)")


def model_card(config: TrainConfig, frames_per_sentence: int) -> ModelCard:
    """Describe the configured model, for a corpus with `frames_per_sentence`. Raises ConfigError."""
    data = config.data
    size = asdict(SIZES[config.model.size])
    size["clips"] = data.sentences
    size["frames_per_clip"] = data.frames_per_sentence or frames_per_sentence
    size["height"], size["width"] = data.height or size["height"], data.width or size["width"]
    for part in ("video", "text", "losses"):
        changes = getattr(config.model, part)
        _known(f"model.{part}", changes, size[part])
        size[part] |= changes
    head = task_head(config)
    if head is not None:
        size["frames_per_clip"] = frames_per_clip(config)
    if head is not None and head.kind == "retrieval":
        size["losses"]["mtc_weight"] = 0.0
    try:
        whole = TypeAdapter(ModelSize).validate_python(size)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, ("model", *fault["loc"])))
        raise ConfigError(f"{where}: {fault['msg'].removeprefix('Value error, ')}") from None
    if whole.video.channels != 3:
        raise ConfigError(f"model.video.channels is {whole.video.channels}, but frames have 3")
    _check_pixels(config, whole)
    tokenizer = _tokenizer(config)
    _check_text(config, whole, tokenizer)
    stage = config.model.stage if head is None else stage_of(head)
    return ModelCard(whole, stage, _compat(config), tokenizer, data.tokens, head)


def check_kernels(config: TrainConfig, device: torch.device) -> None:
    """Raise ConfigError if kernels, CUDA graphs or narrow norms that the configuration asks for would not be used."""
    if not isinstance(config.compile, bool) and device.type != "cuda":
        raise ConfigError(f"compile: {config.compile} needs CUDA, whose graphs it records; set it to true or false")
    if config.norms == "bf16" and mixed_dtype(config, device) != torch.bfloat16:
        where = f" on {device.type}" if config.precision == "auto" else ""
        raise ConfigError(
            f"norms: bf16 is for precision bf16, and precision is {config.precision}{where}; remove norms, or change precision"
        )
    if config.kernels == "plain":
        return
    if config.compile:
        raise ConfigError("kernels: fused stands beside compile, which joins these passes itself; keep one of them")
    if not window_passes.usable(torch.empty(0, device=device)):
        raise ConfigError("kernels: fused needs CUDA and Triton; set it to plain")


def check_recipe(config: TrainConfig, ranks: int, frames: int) -> None:
    """Raise ConfigError for a training that would run and learn nothing, or wants more than the `frames` of a sentence."""
    stage, batch = config.model.stage, config.batch_size
    if stage == 2 and config.init.weights is None:
        raise ConfigError(
            "init.weights: stage 2 keeps both encoders as they are, and without weights they are random. "
            "Name the run of stage 1, or released weights"
        )
    for number, phase in enumerate(config.data.curriculum):
        if phase.frames_per_sentence > frames:
            where = f"data.curriculum.{number}.frames_per_sentence"
            raise ConfigError(f"{where}: {phase.frames_per_sentence} frames of a sentence, but the corpus has {frames}")
    if config.task.kind in ("choice", "answer", "classify"):
        return
    if stage == 1 and batch * ranks < 2:
        raise ConfigError("batch_size: 1 in one process leaves nothing to contrast with; take 2 or more")
    if stage == 2 and batch < 2:
        raise ConfigError("batch_size: 1 leaves no other video to match a text with; take 2 or more")


def make_model(card: ModelCard) -> LFVila:
    """Make the model with fresh weights. Raises ConfigError if its parts do not fit each other."""
    try:
        return card.make()
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"model: {error}") from None


def freeze(config: TrainConfig, model: LFVila) -> None:
    """Freeze the parts that the configuration names. Raises ConfigError for an unknown one, or if nothing is left to train."""
    try:
        model.freeze(config.freeze)
    except LookupError as error:
        raise ConfigError(f"freeze: {error.args[0]}") from None
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError("freeze: nothing is left to train")
    if model.masked_pixels is not None and not any(one.requires_grad for one in model.video_encoder.parameters()):
        raise ConfigError(
            "freeze: model.losses.pixels_weight is for training the video encoder, and all of it is frozen: remove one of them"
        )


def _known(where: str, given: dict[str, Any], known: dict[str, Any]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ConfigError(f"{where}.{unknown[0]}: no such setting; use one of {', '.join(known)}")


def _compat(config: TrainConfig) -> Compat:
    chosen = config.model.compat
    if isinstance(chosen, str):
        return compat_of(chosen)
    _known("model.compat", chosen, {field.name: None for field in fields(Compat)})
    return Compat(**chosen)


def _tokenizer(config: TrainConfig) -> str:
    name = config.data.tokenizer
    try:
        return name if name == UNCASED else _place(config, name)
    except (OSError, ValueError) as error:
        raise ConfigError(f"data.tokenizer {name!r}: {error}") from None


def _check_pixels(config: TrainConfig, size: ModelSize) -> None:
    """Raise ConfigError where pixels cannot be masked, or masking them would train nothing."""
    if not size.losses.pixels_weight:
        return
    where = "model.losses.pixels_weight"
    if config.task.kind != "pretrain":
        raise ConfigError(f"{where} is for pre-training: remove it, or task")
    if config.model.stage == 2:
        raise ConfigError(f"{where} is for stage 1: stage 2 keeps the video encoder as it is; remove it")
    if config.contrast_chunks > 1:
        raise ConfigError(f"{where}: contrast_chunks has no place for a loss beside the contrast; remove one of them")
    block, (_, rows, columns) = size.losses.pixels_block, size.video.patch
    if block % rows or block % columns:
        raise ConfigError(
            f"model.losses.pixels_block is {block}, which is no multiple of patches of {rows}x{columns} pixels"
        )
    if size.height <= block and size.width <= block:
        raise ConfigError(
            f"model.losses.pixels_block is {block}, all of a picture of {size.height}x{size.width} pixels: take less"
        )
    whole = all(side % part == 0 for side in (size.height, size.width) for part in size.video.patch)
    if _compat(config).misplaced_patch_padding and not whole:
        raise ConfigError(
            f"{where}: model.compat has misplaced_patch_padding, which cuts patches off a picture of "
            f"{size.height}x{size.width} pixels: take multiples of the patch for data.height and data.width, or remove one"
        )


def _check_text(config: TrainConfig, size: ModelSize, tokenizer: str) -> None:
    data, text = config.data, size.text
    task = config.task
    name, rows = ("data.sentences", data.sentences) if task.kind == "pretrain" else ("task.rows", task.text_rows)
    if rows > text.segments:
        raise ConfigError(
            f"{name} is {rows}, but the model has segments for {text.segments}: set model.text: {{segments: {rows}}}"
        )
    if rows * data.tokens > text.positions:
        raise ConfigError(
            f"{name} x data.tokens is {rows * data.tokens}, but the model has {text.positions} positions: "
            "take fewer tokens, or set model.text.positions"
        )
    try:
        loaded = load_tokenizer(tokenizer)
        known = len(loaded)
    except Exception as error:  # strangers' files can raise anything
        raise ConfigError(f"data.tokenizer {data.tokenizer!r}: {str(error).strip().splitlines()[0]}") from None
    if known > text.vocabulary:
        raise ConfigError(
            f"data.tokenizer {data.tokenizer!r} has {known} tokens, but the model {text.vocabulary}: "
            f"set model.text: {{vocabulary: {known}}}"
        )
    if config.model.stage == 2 and loaded.mask_token_id is None:
        raise ConfigError(f"data.tokenizer {data.tokenizer!r} has no mask token, which stage 2 needs to hide words")


def loader_workers(config: TrainConfig, device: torch.device) -> int:
    """Return the number of loader processes: for `auto` 2 on a CPU, and on a GPU its share of the cores, of 2 to 16."""
    workers = config.data.workers
    if workers != "auto":
        return workers
    if device.type == "cpu":
        return 2
    cores, neighbours = len(os.sched_getaffinity(0)), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return min(max(cores // neighbours - 1, 2), 16)


def loader_settings(config: TrainConfig, card: ModelCard, device: torch.device) -> LoaderSettings:
    """Return the settings for loading training samples for a model on `device`."""
    data = config.data
    return LoaderSettings(
        corpus=config.resolve(config.corpus),
        tokenizer=card.tokenizer,
        split=data.split,
        batch_size=config.batch_size,
        seed=config.seed,
        shuffle_shards=data.shuffle_shards,
        sentences=data.sentences,
        frames_per_sentence=data.frames_per_sentence,
        height=card.size.height,
        width=card.size.width,
        tokens=data.tokens,
        crop=CropRange(data.crop_area, data.crop_ratio),
        flip=data.flip,
        antialias=data.antialias,
        released_crop=card.compat.one_crop_for_all,
        released_window=card.compat.last_window_never_drawn,
        on_device=data.resize == "device",
        related=None if data.related is None else config.resolve(data.related),
        workers=loader_workers(config, device),
        prefetch=data.prefetch,
        task=card.task,
        frames=config.task.frames,
    )


def finished_corpora(config: TrainConfig) -> list[CorpusManifest]:
    """Read corpus.json of the training's corpora, the main one first. Raises LoaderError."""
    found = []
    for setting, corpus in (
        ("corpus", config.corpus),
        *((f"data.mix.{number}.corpus", one.corpus) for number, one in enumerate(config.data.mix)),
    ):
        with named(setting):
            found.append(read_finished(Layout(config.resolve(corpus))))
    return found


@contextmanager
def named(corpus: str, **settings: str) -> Iterator[None]:
    """Say in an error which setting is to blame. Raises ConfigError for a ValueError.

    Args:
        corpus: the setting that names the corpus, to blame where nothing else is known.
        settings: by the names of a loader's arguments, the settings that they came from.
    """
    try:
        yield
    except CorpusError as error:
        error.args = (f"{corpus}: {error}",)
        raise
    except ArgumentError as error:
        setting, told = settings.get(error.argument, corpus), str(error)
        same = setting.endswith(f".{error.argument}") and told.startswith(f"{error.argument} is ")
        raise ConfigError(f"{setting}{told.removeprefix(error.argument)}" if same else f"{setting}: {told}") from None
    except ValueError as error:
        told = str(error)
        raise ConfigError(told if told.startswith("data.") else f"{corpus}: {told}") from None


def main_names() -> dict[str, str]:
    """Return the settings that the arguments of the main corpus's loader came from, for `named`."""
    data = {name: f"data.{name}" for name in ("split", "frames_per_sentence", "shuffle_shards")}
    return {"corpus": "corpus", "batch_size": "batch_size", "kind": "task.kind", "classes": "task.classes", **data}


def mixed_names(number: int) -> dict[str, str]:
    """Return those of the loader of a further corpus."""
    return {name: f"data.mix.{number}.{name}" for name in ("corpus", "split", "frames_per_sentence")}


def mixed_settings(config: TrainConfig, main: LoaderSettings) -> list[LoaderSettings]:
    """Return the settings for loading samples of the further corpora. Raises ConfigError."""
    found = []
    for number, one in enumerate(config.data.mix):
        sentences = one.sentences or main.sentences
        if sentences > main.sentences:
            raise ConfigError(
                f"data.mix.{number}.sentences is {sentences}; data.sentences, {main.sentences}, is the most"
            )
        if sentences != main.sentences and _compat(config).reshaped_clips:
            raise ConfigError(
                f"data.mix.{number}.sentences: with compat.reshaped_clips all batches have data.sentences clips"
            )
        found.append(
            replace(
                main,
                corpus=config.resolve(one.corpus),
                related=None,
                split=one.split,
                sentences=sentences,
                frames_per_sentence=one.frames_per_sentence,
            )
        )
    return found


def load_start(config: TrainConfig, model: LFVila) -> None:
    """Load the starting weights of the configuration, if any. Raises ConfigError if they do not fit."""
    init = config.init
    for name, given, load in (
        ("bert", init.bert, load_bert),
        ("swin", init.swin, load_swin),
        ("weights", init.weights, load_official),
    ):
        if given is None:
            continue
        try:
            with _file(config, given, own=name == "weights") as file:
                load(model, file)
        except pickle.UnpicklingError:
            raise ConfigError(f"init.{name} {given!r}: not a PyTorch file of tensors; nothing else is read") from None
        except Exception as error:  # strangers' files can raise anything
            raise ConfigError(f"init.{name} {given!r}: {str(error).strip() or type(error).__name__}") from None


@contextmanager
def _file(config: TrainConfig, given: str, own: bool) -> Iterator[str]:
    """Yield a local file of weights: the local file that `given` names, or a download from the hub or remote storage."""
    place = _place(config, given)
    found = weights_path(place) if own and storage.exists(place) else weights_file(place)
    if not storage.is_remote(found):
        yield found
        return
    with tempfile.TemporaryDirectory() as folder:
        local = os.path.join(folder, os.path.basename(found))
        storage.fetch(found, local)
        yield local


def _place(config: TrainConfig, given: str) -> str:
    """Return `given` as a path from the configuration's folder if that exists, else unchanged, as a name on the hub.

    Raises FileNotFoundError for a name that can only be a path, since the hub would get requests for it again and again.
    """
    place = config.resolve(given)
    if storage.exists(place):
        return place
    if (
        not _HUB_NAME.fullmatch(given)
        or _WEIGHTS_FILE.fullmatch(given)
        or storage.exists(config.resolve(given.split("/")[0]))
    ):
        raise FileNotFoundError(f"{place} does not exist")
    return given
