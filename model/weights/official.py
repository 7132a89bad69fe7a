"""Load weights of the released LF-VILA, and write ours in their format.

Our parameters have the released names (../shared/oracle/STATE_DICT.md). The two formats differ only in index buffers, which
are not learned, and in the vocabulary bias, which the release stores twice.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from longtake.model.network.compat import OFFICIAL
from longtake.model.network.lfvila import LFVila
from longtake.model.network.task_head import LOCAL, left_names, new_names
from longtake.model.network.video_blocks import WindowAttention
from longtake.model.network.window_geometry import WindowGeometry, bias_index

SEGMENTS = "sent_embedding.segment_embeddings.weight"
VOCABULARY_BIAS = "text_encoder.cls.predictions.bias"
VOCABULARY_BIAS_AGAIN = "text_encoder.cls.predictions.decoder.bias"
POSITIONS = ("text_encoder.bert.embeddings.position_ids", "sent_embedding.position_ids")
LAYER = "text_encoder.bert.encoder.layer."
# Scale and bias of a learned contrast, token and head of masked pixels: the released code does not have them.
OURS = ("contrast.", "masked_pixels.")


class LoadReport(NamedTuple):
    """Names in the model that the file lacks, and names in the file that were not used."""

    missing: tuple[str, ...]
    unused: tuple[str, ...]


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """Read tensors by name from safetensors, or from a PyTorch file with `weights_only`: nothing in it is executed."""
    if Path(path).suffix == ".safetensors":
        return load_file(path)
    content = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in ("model", "state_dict", "module"):
        if isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    return {name.removeprefix("module."): value for name, value in content.items() if isinstance(value, Tensor)}


def load_official(model: LFVila, weights: Mapping[str, Tensor] | Path | str) -> LoadReport:
    """Load released weights (half precision or not) into `model`.

    File and model may have different stages, and one of them a task: the parts that the other lacks stay fresh, or are not used.
    Everything else must match: a missing name or a different shape raises ValueError. The released loader skips it with a line in
    the log.
    """
    source = dict(read_weights(weights) if isinstance(weights, Path | str) else weights)
    source = {name: value for name, value in source.items() if not _is_buffer(name)}
    target = model.state_dict()
    if SEGMENTS in source.keys() & target.keys() and len(source[SEGMENTS]) < len(target[SEGMENTS]):
        # A model with room for more sentences keeps its own rows after the rows of the file.
        known = source[SEGMENTS].to(target[SEGMENTS].dtype)
        source[SEGMENTS] = torch.cat([known, target[SEGMENTS][len(known) :].cpu()])
    missing = tuple(name for name in target if name not in source)
    unused = tuple(name for name in source if name not in target)
    mismatched = [
        f"{name}: {tuple(value.shape)} in the file, {tuple(target[name].shape)} in the model"
        for name, value in source.items()
        if name in target and value.shape != target[name].shape
    ]
    lacking = [
        n for n in missing if not _is_of_stage_two(n, model) and not n.startswith((*OURS, *new_names(model.head)))
    ]
    left = (*OURS, *left_names(model.head))
    strange = [n for n in unused if not _is_of_stage_two(n, model) and not n.startswith(left)]
    if mismatched or lacking or strange:
        raise ValueError(_complaint(mismatched, lacking, strange))
    model.load_state_dict(source, strict=False)
    return LoadReport(missing, unused)


def _is_buffer(name: str) -> bool:
    return name.endswith(".relative_position_index") or name in (*POSITIONS, VOCABULARY_BIAS_AGAIN)


def _is_of_stage_two(name: str, model: LFVila) -> bool:
    if name.startswith(LAYER):
        return int(name.removeprefix(LAYER).split(".")[0]) >= model.size.text.paragraph_layers
    return name.startswith("video_token_pos.")


def _complaint(mismatched: list[str], lacking: list[str], strange: list[str]) -> str:
    parts = [("shapes differ", mismatched), ("not in the file", lacking), ("not in the model", strange)]
    shown = (f"{title}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" for title, names in parts if names)
    return "these weights do not fit: " + "; ".join(shown)


def export_official(model: LFVila, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """Return the state dict that the released classes expect, with buffers and double entries, on the CPU."""
    state = {name: value.detach().cpu() for name, value in model.state_dict().items() if not name.startswith(OURS)}
    if dtype is not None:
        state = {name: value.to(dtype) for name, value in state.items()}
    if VOCABULARY_BIAS in state:
        state[VOCABULARY_BIAS_AGAIN] = state[VOCABULARY_BIAS].clone()
    if model.head is not None and model.head.kind == "retrieval":  # the released class has no temporal contrast
        state = {name: value for name, value in state.items() if not name.startswith(LOCAL)}
    if SEGMENTS in state:  # there is text
        state.update({name: torch.arange(model.size.text.positions).unsqueeze(0) for name in POSITIONS})
    for name, module in model.named_modules():
        if isinstance(module, WindowAttention):
            layer = int(name.split(".")[2])
            window = model.size.video.windows[layer]
            whole = WindowGeometry.of(window, window, (0, 0, 0), 1, OFFICIAL)
            state[f"{name}.relative_position_index"] = bias_index(whole).view(whole.tokens, whole.tokens)
    return state


def save_official(model: LFVila, path: Path | str, dtype: torch.dtype | None = None) -> None:
    """Write `export_official` to a .safetensors file, or, with another suffix, to a PyTorch file."""
    state = {name: value.contiguous() for name, value in export_official(model, dtype).items()}
    if Path(path).suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
