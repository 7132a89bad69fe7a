"""The released LF-VILA classes for downstream tasks, on small sizes: weights and inputs by rule, and what they give.

    python tests/released_tasks.py XPRETRAIN/LF-VILA OUTPUT.json

runs them, with transformers 4.30.0, einops 0.6.1 and stand-ins for mmcv, timm (DropPath, trunc_normal_) and tensorboardX. What it
writes is tests/model/network/released_tasks.json: losses, scores, shapes of the state dict and norms of all gradients. Nothing of
the released code is here.
"""

import json
import sys
import types
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FRAMES, CLASSES = 8, 5
ROWS = {"answer": 3, "choice": 4, "classify": 1, "retrieval": 4}
BERT = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2, "num_hidden_layers": 3, "vocab_size": 50,
        "max_position_embeddings": 64}  # fmt: skip
VIDEO: dict[str, Any] = {
    "patch_size": [1, 8, 8], "embed_dim": 4, "depths": [1] * 6, "downsample_stages": [0, 1, 4], "stages": [0, 1, 2, 2, 2, 3],
    "num_heads": [1, 2, 4, 4, 4, 4], "patch_norm": True, "local_window": 8,
    "window_size": [[2, 3, 5], [4, 3, 5], [8, 3, 5], [16, 3, 5], [16, 3, 5], [32, 3, 5]],
}  # fmt: skip
CLASSES_OF = {
    "answer": ("lfvila_qa_classification", "LFVILA_QA_Classification"),
    "choice": ("lfvila_qa_multichoice", "LFVILA_QA_Multichoice"),
    "classify": ("lfvila_video_classification", "LFVILA_Video_Classification"),
    "retrieval": ("lfvila_retrieval", "LFVILA_Retrieval"),
}


def weight(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The value of a tensor, by its name."""
    spread = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    is_norm = "norm" in name.lower() and name.endswith("weight")
    return (1 + 0.1 * spread if is_norm else 0.2 * spread).astype(np.float32)


def inputs(kind: str) -> tuple[NDArray[Any], ...]:
    """Video, ids, mask, answers, span labels and their weights; the last row of text is padding."""
    rng, batch, rows = np.random.default_rng(zlib.crc32(kind.encode())), 2, ROWS[kind]
    lead = (batch, 4, rows) if kind == "choice" else (batch, rows)
    video = rng.standard_normal((batch, 3, FRAMES, 24, 40)).repeat(8, 3).repeat(8, 4).astype(np.float32)
    ids, words = rng.integers(5, 50, (*lead, 6)), rng.integers(2, 7, (*lead, 1))
    if rows > 1:
        words[..., -1, :] = 0
    mask = (np.arange(6) < words).astype(np.int64)
    answer, span = rng.integers(0, 4, batch), (rng.random((batch, FRAMES)) < 0.4).astype(np.int64)
    return video, ids * mask, mask, answer, span, (rng.random((batch, FRAMES)) + 0.5).astype(np.float32)


def released(source: Path) -> dict[str, Any]:
    """Run the released classes."""
    import importlib

    import torch

    torch.set_num_threads(1)
    sys.path.insert(0, str(source))
    bert = json.loads((source / "src/configs/bert_large_config.json").read_text()) | BERT
    del bert["architectures"]
    Path("bert.json").write_text(json.dumps(bert))
    found = {}
    for kind, (module, name) in CLASSES_OF.items():
        config = types.SimpleNamespace(
            VideoEncoder=VIDEO, bert_config="bert.json", stage=2 if kind in ("answer", "choice") else 1, type_vocab_size=8,
            num_local_layers=1, stage1_layers=2, bert_frozen_stage=-1, final_num_patches=6, use_simple_merge_qas=False,
            DATA=types.SimpleNamespace(sample_frame=FRAMES, sample_clip=4, classification_labels=CLASSES),
            TRAINING=types.SimpleNamespace(temp=0.05, ct_global_loss_weight=1.0),
        )  # fmt: skip
        args = types.SimpleNamespace(distributed=False, fp16=False, deepspeed_sparse_attention=False)
        model = getattr(importlib.import_module(f"src.models.{module}"), name)(args, config)
        for key, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                value.copy_(torch.from_numpy(weight(key, tuple(value.shape))))
        model.eval()
        video, ids, mask, answer, span, weights = map(torch.from_numpy, inputs(kind))
        texts = () if kind == "classify" else (ids, mask.float())
        more = {} if kind == "retrieval" else {"labels": answer}
        more |= {"span_labels": span, "span_label_weights": weights} if kind == "choice" else {}
        made = model(video, *texts, **more)
        losses = {key: made[key] for key in ("loss", "span_loss", "ct_global_loss") if key in made}
        torch.stack(list(losses.values())).sum().backward()
        scores = made["prediction"] if "prediction" in made else made["text_global_feat"] @ made["video_global_feat"].T
        found[kind] = {
            "losses": {key: value.item() for key, value in losses.items()},
            "accuracy": {key: made[key].item() for key in ("acc", "span_acc") if key in made},
            "scores": scores.tolist(),
            "shapes": {key: list(value.shape) for key, value in model.state_dict().items()},
            "gradients": {n: float(f"{p.grad.norm():.6g}") for n, p in model.named_parameters() if p.grad is not None},
        }
    return found


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(
        json.dumps(released(Path(sys.argv[1]).resolve()), separators=(",", ":"), sort_keys=True)
    )
