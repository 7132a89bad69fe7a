"""Checkpoints of a training: weights that describe themselves, and the state to go on from.

RUN/checkpoints/step-00000100/model.safetensors    weights, with the ModelCard in the header
RUN/checkpoints/step-00000100/state.pt             the trainer's state; written last, so its presence means complete
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from longtake.model.compat import Compat
from longtake.model.data_text import UNCASED
from longtake.model.lfvila import LFVila
from longtake.model.sizes import ModelSize
from longtake.schemas import storage

FORMAT = 1
MODEL, STATE, CHECKPOINTS = "model.safetensors", "state.pt", "checkpoints"
_CARD = "longtake"  # its name in the header of the weights


class CheckpointError(OSError):
    """A checkpoint cannot be read or does not fit; the message names the file and what to do."""


@dataclass(frozen=True)
class ModelCard:
    """All that is needed to make the model again and to feed it."""

    size: ModelSize
    stage: Literal[1, 2] = 1
    compat: Compat = Compat()  # noqa: RUF009 frozen
    tokenizer: str = UNCASED
    tokens: int = 50  # of a sentence

    def make(self) -> LFVila:
        """The model with fresh weights."""
        return LFVila(self.size, self.stage, self.compat)


def save_model(path: str, model: LFVila, card: ModelCard) -> None:
    """Write the weights with their card, whole or not at all. Raises OSError."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    header = {_CARD: json.dumps({"format": FORMAT, **asdict(card)}, sort_keys=True)}
    with storage.writing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata=header)
        except SafetensorError as error:  # as on a full disk
            raise CheckpointError(f"{path}: cannot write: {error}") from None


def load_model(path: str) -> tuple[LFVila, ModelCard]:
    """The model of a run (its newest checkpoint), a checkpoint folder or a weights file, on the CPU, in evaluation mode.

    Raises CheckpointError where there is none, or it is damaged.
    """
    source = weights_path(path)
    with storage.as_local(source) as local:
        card = read_card(local, source)
        try:
            with torch.device("meta"):  # a header may claim any size; only what the file really holds takes memory
                model = card.make()
            model.load_state_dict(load_file(local), assign=True)
        except (RuntimeError, ValueError, SafetensorError) as error:
            raise CheckpointError(f"{source}: does not hold the model of its header: {error}") from None
    return model.eval(), card


def weights_path(path: str) -> str:
    """Where the weights of a run, a checkpoint folder or a weights file are. Raises CheckpointError where there are none."""
    if storage.is_file(path):
        return path
    if storage.is_file(storage.join(path, MODEL)):
        return storage.join(path, MODEL)
    found = latest(path)
    if found is None:
        raise CheckpointError(f"{path}: no checkpoint there. Name a run of longtake train, or a {MODEL}.")
    return storage.join(found, MODEL)


def read_card(local: str, source: str) -> ModelCard:
    """The card in the header of a weights file. Raises CheckpointError; `source` is how people know the file."""
    try:
        with safe_open(local, framework="pt") as stream:
            header = (stream.metadata() or {}).get(_CARD)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{source}: not a readable safetensors file: {error}") from None
    if header is None:
        raise CheckpointError(
            f"{source}: no description of the model in it. Weights of other origin start a training: init.weights."
        )
    try:
        fields = json.loads(header)
        if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT:
            raise CheckpointError(f"{source}: written by another version of Longtake (format {FORMAT} is known)")
        return TypeAdapter(ModelCard).validate_python(fields)
    except (ValidationError, ValueError) as error:
        raise CheckpointError(f"{source}: the description of the model is damaged: {error}") from None


def checkpoints(run: str) -> list[tuple[int, str]]:
    """Step and folder of the complete checkpoints of a run, oldest first."""
    found = []
    for folder in storage.list_folders(storage.join(run, CHECKPOINTS)):
        step = re.fullmatch(r"step-(\d{8})", folder.rstrip("/").rsplit("/", 1)[-1])
        if step and storage.is_file(storage.join(folder, STATE)):
            found.append((int(step[1]), folder))
    return sorted(found)


def latest(run: str) -> str | None:
    """The folder of a run's newest checkpoint."""
    found = checkpoints(run)
    return found[-1][1] if found else None


def save_checkpoint(run: str, step: int, model: LFVila, card: ModelCard, state: Mapping[str, Any], keep: int) -> str:
    """Write a checkpoint, then delete all but the newest `keep`. Returns its folder. Raises OSError, with the others intact."""
    folder = storage.join(run, CHECKPOINTS, f"step-{step:08d}")
    storage.delete(storage.join(folder, STATE))  # one that is written again is incomplete until it is whole
    save_model(storage.join(folder, MODEL), model, card)
    with storage.writing(storage.join(folder, STATE)) as temporary, open(temporary, "wb") as stream:
        torch.save({"format": FORMAT, "step": step, **state}, stream)
    for _, old in checkpoints(run)[:-keep]:
        storage.delete(storage.join(old, STATE))
        storage.delete_folder(old)
    return folder


def load_state(folder: str) -> dict[str, Any]:
    """The state that was saved beside the weights, read with `weights_only`. Raises CheckpointError."""
    path = storage.join(folder, STATE)
    try:
        with storage.as_local(path) as local:
            state = torch.load(local, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever the damage leads to
        raise CheckpointError(
            f"{path}: cannot be read: {str(error).splitlines()[0]}. Delete {folder} to go on from the checkpoint before."
        ) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path}: written by another version of Longtake (format {FORMAT} is known)")
    return state
