"""Starting weights: the video encoder from a 2-D Swin transformer, the text encoder from BERT.

Strangers made these files, so nothing in them is executed (`weights_only`). A tensor that is missing or does not fit raises
ValueError; the released loader silently leaves it random.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
import torch.nn.functional as F
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import RemoteEntryNotFoundError
from torch import Tensor

from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import VideoSize, Window
from longtake.model.weights.official import read_weights
from longtake.schemas import storage

BIAS_TABLE = "relative_position_bias_table"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


def weights_file(name: str) -> str:
    """Return the weights file at a path, in a folder, or of a model on the Hugging Face hub (downloaded once).

    Raises OSError if there is none, ValueError for a name that the hub does not allow.
    """
    for path in (name, *(storage.join(name, file) for file in WEIGHT_FILES)):
        if storage.is_file(path):
            return path
    if storage.exists(name):
        raise FileNotFoundError(f"holds no file of weights ({' or '.join(WEIGHT_FILES)})")
    for file in WEIGHT_FILES:
        with suppress(RemoteEntryNotFoundError):
            return hf_hub_download(name, file)
    raise FileNotFoundError(f"the hub's {name} has no {' or '.join(WEIGHT_FILES)}")


def _tensors(weights: Mapping[str, Tensor] | Path | str) -> dict[str, Tensor]:
    return dict(read_weights(weights) if isinstance(weights, Path | str) else weights)


def load_swin(model: LFVila, weights: Mapping[str, Tensor] | Path | str) -> None:
    """Initialise the video encoder from a 2-D Swin transformer (Microsoft's names, or Hugging Face's).

    It takes the blocks in order, in any stage. The three merges become ours; the last also becomes the merge of the local
    map. The final norm becomes both of ours (facts 3d). `BASE` fits Swin-B, `COMPACT` fits Swin-T.
    """
    encoder, size = model.video_encoder, model.size.video
    source = {name: value.float() for name, value in _swin_names(_tensors(weights)).items()}
    blocks = sorted({_block(name) for name in source if ".blocks." in name})
    merges = sorted({name.split(".downsample.")[0] for name in source if ".downsample." in name})
    ours = [(layer, block) for layer, depth in enumerate(size.depths) for block in range(depth)]
    if len(blocks) != len(ours) or len(merges) != len(size.merges):
        raise ValueError(
            f"these weights have {len(blocks)} blocks and {len(merges)} merges; "
            f"the video encoder needs {len(ours)} and {len(size.merges)}"
        )
    try:
        encoder.load_state_dict(_inflated(source, size, blocks, merges))
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"these weights do not fit the video encoder: {error}") from None


def _inflated(
    source: dict[str, Tensor], size: VideoSize, blocks: list[tuple[int, int]], merges: list[str]
) -> dict[str, Tensor]:
    ours = [(layer, block) for layer, depth in enumerate(size.depths) for block in range(depth)]
    target: dict[str, Tensor] = {}
    for (from_layer, from_block), (layer, block) in zip(blocks, ours, strict=True):
        prefix = f"layers.{from_layer}.blocks.{from_block}."
        for name, value in source.items():
            if name.startswith(prefix) and not name.endswith(("relative_position_index", "attn_mask")):
                part = name.removeprefix(prefix)
                value = inflate_bias(value, size.windows[layer]) if part.endswith(BIAS_TABLE) else value
                target[f"layers.{layer}.blocks.{block}.{part}"] = value
    for merge, layer in zip(merges, size.merges, strict=True):
        for part in ("reduction.weight", "norm.weight", "norm.bias"):
            target[f"layers.{layer}.downsample.{part}"] = source[f"{merge}.downsample.{part}"]
            target[f"local_feat_proj.{part}"] = source[f"{merge}.downsample.{part}"]  # the last merge stays
    for part in ("weight", "bias"):
        target[f"norm.{part}"] = target[f"norm_local.{part}"] = source[f"norm.{part}"]
        target[f"patch_embed.norm.{part}"] = source[f"patch_embed.norm.{part}"]
    target["patch_embed.proj.bias"] = source["patch_embed.proj.bias"]
    target["patch_embed.proj.weight"] = inflate_patch(source["patch_embed.proj.weight"], size)
    return target


def _block(name: str) -> tuple[int, int]:
    parts = name.split(".")
    return int(parts[1]), int(parts[3])


def inflate_bias(table: Tensor, window: Window) -> Tensor:
    """Resize a bias table ((2s - 1)^2, heads) for s x s windows to ((2t - 1)(2h - 1)(2w - 1), heads).

    Bicubic over space. Every offset in time gets the same values, since a still image has no time.
    """
    t, h, w = window
    side = round(len(table) ** 0.5)
    plane = table.T.reshape(1, -1, side, side)
    plane = F.interpolate(plane, size=(2 * h - 1, 2 * w - 1), mode="bicubic", align_corners=False)
    return plane.flatten(2)[0].T.repeat(2 * t - 1, 1)


def inflate_patch(kernel: Tensor, size: VideoSize) -> Tensor:
    """Tile a patch kernel (C, 3, p, p) to (C, 3, t, h, w), divided by the number of tiles.

    So a patch of equal pixels keeps its embedding.
    """
    t, h, w = size.patch
    rows, columns = h // kernel.shape[2], w // kernel.shape[3]
    if (rows * kernel.shape[2], columns * kernel.shape[3]) != (h, w):
        raise ValueError(f"a patch of {h} x {w} pixels cannot be tiled with {tuple(kernel.shape[2:])}")
    return kernel.unsqueeze(2).repeat(1, 1, t, rows, columns) / (t * rows * columns)


# Hugging Face's names, and Microsoft's for the same tensors. Query, key and value are joined below.
_SWIN = (
    (r"^swin\.", ""),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.norm\.", "patch_embed.norm."),
    (r"^encoder\.layers\.", "layers."),
    (r"^layernorm\.", "norm."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.self\.", ".attn."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
)


def _swin_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the same weights under Microsoft's names."""
    renamed = {}
    for name, value in weights.items():
        for pattern, replacement in _SWIN:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    for name in [name for name in renamed if ".attn.query." in name]:
        parts = [renamed.pop(name.replace(".query.", f".{part}.")) for part in ("query", "key", "value")]
        renamed[name.replace(".query.", ".qkv.")] = torch.cat(parts)
    return renamed


def load_bert(model: LFVila, weights: Mapping[str, Tensor] | Path | str) -> None:
    """Initialise the text encoder from a Hugging Face BERT, and the paragraph's positions from BERT's positions (facts 3d).

    The file may lack the pooler and the masked-word head; the head's decoder then starts as the word embeddings. The match
    head and the sentence segments stay fresh. Old files name the layer norms' tensors gamma and beta.
    """
    source = {}
    for name, value in _tensors(weights).items():
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        source[name if name.startswith(("bert.", "cls.")) else f"bert.{name}"] = value.float()
    words = source.get("bert.embeddings.word_embeddings.weight")
    if words is not None:
        source.setdefault("cls.predictions.decoder.weight", words)
    state = model.text_encoder.state_dict()
    optional = ("bert.pooler.", "cls.predictions.", "seq_relationship.")
    missing = [name for name in state if name not in source and not name.startswith(optional)]
    differ = [name for name in state if name in source and source[name].shape != state[name].shape]
    if missing or differ:
        raise ValueError(f"these weights do not fit the text encoder: missing {missing[:5]}, other shapes {differ[:5]}")
    model.text_encoder.load_state_dict({name: source[name] for name in state if name in source}, strict=False)
    with torch.no_grad():
        positions = model.text_encoder.bert.embeddings.position_embeddings.weight
        model.sent_embedding.position_embeddings.weight.copy_(positions)
