"""Checkpoints of a training: weights that describe themselves, and the state to go on from.

RUN/checkpoints/step-00000100/model.safetensors    weights, with the ModelCard in the header
RUN/checkpoints/step-00000100/ema.safetensors      their moving average, if the training keeps one
RUN/checkpoints/step-00000100/state.pt             the trainer's state; written last, to mark a complete checkpoint
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from longtake.model.data.text import UNCASED
from longtake.model.network.compat import Compat
from longtake.model.network.heads import make_model
from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import ModelSize
from longtake.model.network.task_head import TaskHead
from longtake.schemas import storage

FORMAT = 1
MODEL, STATE, CHECKPOINTS = "model.safetensors", "state.pt", "checkpoints"
AVERAGE = "ema.safetensors"  # the moving average of the weights, where the training keeps one
BEST = "best"  # folder of a run with the weights of the best evaluation
_CARD = "longtake"  # name of the card in the header of the weights
_EVALUATION = "evaluation"  # beside it, of the best weights


class CheckpointError(OSError):
    """A checkpoint cannot be read or does not fit; the message names the file and what to do."""

    exit_code = 1


@dataclass(frozen=True)
class ModelCard:
    """All settings to make the model again and to feed it."""

    size: ModelSize
    stage: Literal[1, 2] = 1
    compat: Compat = Compat()  # noqa: RUF009 frozen
    tokenizer: str = UNCASED
    tokens: Annotated[int, Field(ge=3, le=512)] = 50  # of a sentence
    task: TaskHead | None = None  # None: pre-training
    corpora: tuple[str, ...] = ()  # what it was trained on: name, version and fingerprint of each

    def make(self) -> LFVila:
        """Make the model with fresh weights."""
        return make_model(self.size, self.stage, self.compat, self.task)


def save_model(path: str, model: LFVila, card: ModelCard, evaluation: Mapping[str, Any] | None = None) -> None:
    """Write the weights with their card, whole or not at all. Raises CheckpointError.

    Args:
        path: of the file.
        model: the weights.
        card: what describes them.
        evaluation: of these weights, as JSON values to remember; None: nothing.

    Returns:
        Nothing.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    header = {_CARD: json.dumps({"format": FORMAT, **asdict(card)}, sort_keys=True)}
    if evaluation is not None:
        header[_EVALUATION] = json.dumps(evaluation)
    with _written(path) as temporary:
        save_file(tensors, temporary, metadata=header)


def saved_evaluation(path: str) -> Any:
    """Return the `evaluation` that a local weights file was saved with; None without one, or without a readable file."""
    try:
        with safe_open(path, framework="pt") as stream:
            return json.loads((stream.metadata() or {}).get(_EVALUATION, "null"))
    except (SafetensorError, OSError, ValueError):
        return None


@contextmanager
def _written(path: str) -> Iterator[str]:
    """Do as storage.writing, but raise a CheckpointError for every error of a full or broken disk."""
    try:
        with storage.writing(path) as temporary:
            yield temporary
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(
            f"{path}: cannot write: {reason}. Earlier checkpoints are whole; make room, then go on with --resume."
        ) from None


def load_model(path: str) -> tuple[LFVila, ModelCard]:
    """Load the model of a run (its newest checkpoint), a checkpoint folder or a weights file, on the CPU, in evaluation mode.

    Raises CheckpointError if there is none, or it is damaged.
    """
    source = weights_path(path)
    with storage.as_local(source) as local:
        card = read_card(local, source)
        try:
            with torch.device("meta"):  # a header may claim any size; only real tensors of the file take memory
                model = card.make()
            model.load_state_dict(load_file(local), assign=True)
            model.card = card
        except (RuntimeError, ValueError, OSError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:300]
            raise CheckpointError(f"{source}: its tensors do not fit the model in its header: {reason}") from None
    return model.eval(), card


def weights_path(path: str) -> str:
    """Return the path to the weights of a run, a checkpoint folder or a weights file. Raises CheckpointError if it has none."""
    if storage.is_file(path):
        return path
    if storage.is_file(storage.join(path, MODEL)):
        return _evaluated(path)
    found = latest(path)
    if found is None and not storage.exists(path):
        absent = CheckpointError(f"{path}: no such file or folder. Name a run of longtake train, or a {MODEL}.")
        absent.exit_code = 2
        raise absent
    if found is None:
        raise CheckpointError(f"{path}: holds no checkpoint. Name a run of longtake train, or a {MODEL}.")
    return _evaluated(found)


def _evaluated(folder: str) -> str:
    """Return the weights of a checkpoint that were evaluated: the moving average where there is one."""
    average = storage.join(folder, AVERAGE)
    return average if storage.is_file(average) else storage.join(folder, MODEL)


def read_card(local: str, source: str) -> ModelCard:
    """Read the card in the header of a weights file, named `source` in messages. Raises CheckpointError."""
    try:
        with safe_open(local, framework="pt") as stream:
            header = (stream.metadata() or {}).get(_CARD)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{source}: not a readable safetensors file: {error}") from None
    if header is None:
        raise CheckpointError(
            f"{source}: holds no description of the model. To start a training from weights of another origin, use init.weights."
        )
    try:
        fields = json.loads(header)
        if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT:
            raise CheckpointError(f"{source}: written by another version of Longtake; this one reads format {FORMAT}")
        return TypeAdapter(ModelCard).validate_python(fields)
    except (ValueError, RecursionError) as error:  # pydantic's errors are ValueErrors
        fault = error.errors()[0] if isinstance(error, ValidationError) else None
        reason = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" if fault else str(error)
        raise CheckpointError(f"{source}: the description of the model is damaged: {reason}") from None


def checkpoints(run: str) -> list[tuple[int, str]]:
    """Return step and folder of the complete checkpoints of a run, oldest first."""
    found = []
    for folder in storage.list_folders(storage.join(run, CHECKPOINTS)):
        step = re.fullmatch(r"step-(\d{8})", folder.rstrip("/").rsplit("/", 1)[-1])
        if step and storage.is_file(storage.join(folder, STATE)):
            found.append((int(step[1]), folder))
    return sorted(found)


def latest(run: str) -> str | None:
    """Return the folder of a run's newest checkpoint, or None."""
    found = checkpoints(run)
    return found[-1][1] if found else None


def save_checkpoint(
    run: str,
    step: int,
    model: LFVila,
    card: ModelCard,
    state: Mapping[str, Any],
    keep: int,
    averaged: Callable[[], AbstractContextManager[None]] | None = None,
) -> str:
    """Write a checkpoint, then delete all but the newest `keep`. Raises OSError; others then stay intact.

    Args:
        run: the folder of the training.
        step: its step.
        model: the weights.
        card: what describes them.
        state: optimiser, loader and so on; plain values and tensors.
        keep: how many checkpoints stay.
        averaged: gives the model its moving average for the time being, which is then saved too.

    Returns:
        The folder of the checkpoint.
    """
    folder = storage.join(run, CHECKPOINTS, f"step-{step:08d}")
    _delete(folder)  # files that a killed process left
    save_model(storage.join(folder, MODEL), model, card)
    if averaged is not None:
        with averaged():
            save_model(storage.join(folder, AVERAGE), model, card)
    with _written(storage.join(folder, STATE)) as temporary, open(temporary, "wb") as stream:
        torch.save({"format": FORMAT, "step": step, **state}, stream)
    for _, old in checkpoints(run)[:-keep]:
        _delete(old)
    return folder


def _delete(folder: str) -> None:
    storage.delete(storage.join(folder, STATE))  # first, so that a half-deleted checkpoint is incomplete
    storage.delete_folder(folder)


def load_state(folder: str) -> dict[str, Any]:
    """Read the state beside the weights, with `weights_only`. Raises CheckpointError."""
    path = storage.join(folder, STATE)
    try:
        with storage.as_local(path) as local:
            state = torch.load(local, map_location="cpu", weights_only=True)
    except Exception as error:  # for damaged files, torch.load can raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"{path}: cannot be read: {reason}. Delete {folder} to go on from the checkpoint before."
        ) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path}: written by another version of Longtake; this one reads format {FORMAT}")
    return state
