"""Compares `compat="official"` with what the released code computed.

    python tests/oracle.py FIXTURE_DIR ... [--mtc FILE]

prints a table (tensor, largest difference, tolerance) and ends with 1 on any miss. A fixture is a folder as described in
../shared/oracle/FIXTURES.md; tolerances are those of that file.
"""

import argparse
import hashlib
import json
import math
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from longtake.model.network.clip_pooling import clip_vectors, frame_tokens
from longtake.model.network.compat import OFFICIAL
from longtake.model.network.contrast import info_nce
from longtake.model.network.fusion_losses import accuracy_of, pairing
from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import LossSettings, ModelSize, TextSize, VideoSize
from longtake.model.network.temporal_contrast import Draw, labels_of, mtc_loss, similarities
from longtake.model.weights.official import export_official, load_official

ACTIVATION, UNIT_NORM, LOSS, GRADIENT, EXACT, DOUBLE = 1e-4, 1e-5, 1e-4, 1e-3, 0.0, 1e-9
ZERO_GRADIENT = 1e-6  # smaller norms are compared absolutely: a key's bias before a softmax has none in truth


@dataclass(frozen=True)
class Row:
    """One comparison."""

    name: str
    difference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the difference is a number within the tolerance."""
        return self.difference <= self.tolerance  # False for NaN


@dataclass
class Report:
    """The rows of one fixture."""

    rows: list[Row] = field(default_factory=list)

    def add(self, name: str, difference: float, tolerance: float) -> None:
        """Add a comparison that has been made."""
        self.rows.append(Row(name, difference, tolerance))

    @property
    def missed(self) -> list[Row]:
        """The rows that are out of tolerance."""
        return [row for row in self.rows if not row.passed]


def size_of(config: dict[str, Any]) -> ModelSize:
    """The size that a fixture's config.json describes."""
    model, batch = config["model"], config["batch"]
    video, text, training = model["video"], model["text"], model["training"]
    video_size = VideoSize(
        embed_dim=video["embed_dim"],
        depths=tuple(video["depths"]),
        heads=tuple(video["num_heads"]),
        windows=tuple((t, h, w) for t, h, w in video["window_size"]),
        stages=tuple(video["stages"]),
        merges=tuple(video["downsample_stages"]),
        patch=tuple(video["patch_size"]),
        channels=video.get("in_chans", 3),
        mlp_ratio=video.get("mlp_ratio", 4.0),
        qkv_bias=video.get("qkv_bias", True),
        patch_norm=video.get("patch_norm", False),
        local_window=video.get("local_window", 4),
        temporal_shift=not video.get("temporal_no_shifting", True),
    )
    text_size = TextSize(
        hidden=text["hidden_size"],
        layers=text["num_hidden_layers"],
        heads=text["num_attention_heads"],
        intermediate=text["intermediate_size"],
        sentence_layers=text["num_local_layers"],
        paragraph_layers=text["stage1_layers"],
        vocabulary=text["vocab_size"],
        positions=text["max_position_embeddings"],
        token_types=text.get("type_vocab_size", 2),
        segments=model["sent_type_vocab_size"],
        norm_eps=text.get("layer_norm_eps", 1e-12),
        padding_id=text.get("pad_token_id", 0),
        dropout=text.get("dropout", 0.1),
    )
    losses = LossSettings(
        temperature=training["temp"],
        contrast_weight=training["ct_global_loss_weight"],
        mtc_temperature=training["time_temp"],
        mtc_weight=training["ct_time_loss_weight"] if training.get("use_time_match", True) else 0,
        mtc_keys=training["num_key"],
        mtc_values=training["num_value"],
        mtc_others=training["num_other_neg"],
        mlm_weight=training["mlm_loss_weight"],
        matching_weight=training["vtm_loss_weight"],
    )
    frames = model.get("sample_frame", batch["N"])
    clips = model.get("sample_clip", batch["M"])
    size = ModelSize(video_size, text_size, losses, clips, frames // clips, batch["H"], batch["W"])
    grid = size.pooled_grid(whole_patches_only=True)
    if model["stage"] == 2 and grid[0] * grid[1] != model["final_num_patches"]:
        raise ValueError(f"pooled maps are {grid}, but final_num_patches is {model['final_num_patches']}")
    return size


def video_of(io: dict[str, Tensor]) -> Tensor:
    """The input frames, put together from the two parts that are stored (FIXTURES.md)."""
    low, texture = io["in/video_low_u8"].int(), io["in/video_tex_u8"].int()
    height, width = texture.shape[-2:]
    low = low.repeat_interleave(4, -2).repeat_interleave(4, -1)[..., :height, :width]
    return (((low + texture[None, :, None]) % 256).float() - 128) / 64


class Outputs(dict[str, Tensor]):
    """Everything the model computes for a fixture, under the fixture's names."""


def video_maps(model: LFVila, out: Outputs) -> Callable[[], None]:
    """Record the maps inside the video encoder; returns what stops that."""
    encoder, tap = model.video_encoder, model.size.video.tap

    def keep(name: str) -> Callable[[Any, Any, Tensor], None]:
        def hook(_module: Any, _inputs: Any, output: Tensor) -> None:
            out[f"video/{name}"] = output

        return hook

    def keep_local(_module: Any, inputs: tuple[Tensor, ...]) -> None:
        out["video/local_embd_internal"] = encoder.clip_map(inputs[0]).detach()

    handles = [encoder.patch_embed.register_forward_hook(keep("patch_embed"))]
    handles += [layer.register_forward_hook(keep(f"layer{i}")) for i, layer in enumerate(encoder.layers)]
    if tap is not None:
        handles.append(encoder.layers[tap].register_forward_pre_hook(keep_local))
    return lambda: [handle.remove() for handle in handles] and None


def stage_one(model: LFVila, io: dict[str, Tensor], video: Tensor) -> Outputs:
    """The outputs of stage 1, step by step through the public parts of the model."""
    out = Outputs()
    ids, mask = io["in/text_ids"], io["in/attention_mask"]
    batch, clips = ids.shape[:2]
    losses, compat = model.size.losses, model.compat
    stop = video_maps(model, out)
    maps = model.video_encoder(video, clips)
    stop()
    out["video/global_embd"], out["video/local_embd_returned"] = maps.video, maps.clip
    out["video/stage1_tokens"] = frame_tokens(maps.video, compat).flatten(2, 3)
    for name, map_ in (("1", maps.clip), ("2", maps.video)):
        out[f"video/local_feat{name}_pooled"] = clip_vectors(frame_tokens(map_, compat).flatten(2, 3), clips, compat)
    out["feat/video_local_pooled"] = out["video/local_feat1_pooled"]
    out["feat/video_global_pooled"] = out["video/local_feat2_pooled"].mean(1)

    keep = mask.bool()
    words = model.text_encoder.sentences(ids.flatten(0, 1), keep.flatten(0, 1)).unflatten(0, (batch, clips))
    out["text/local_embd"], out["feat/text_local_pooled"] = words, words[:, :, 0]
    out["text/global_input"], keep = model.paragraph_input(words, keep)
    out["text/sent_embd"] = out["text/global_input"][:, 1:]
    out["text/global_attention_mask"] = keep.float()
    out["text/global_embd"] = model.text_encoder.paragraph(out["text/global_input"], keep)
    out["feat/text_global_pooled"] = out["text/global_embd"][:, 0]

    videos, texts = model.encode_video(video, clips), model.encode_text(ids, mask)
    out["feat/video_global"], out["feat/video_local"] = videos.video, videos.clips
    out["feat/text_global"], out["feat/text_local"] = texts.paragraph, texts.sentences
    out["global/logits_t2v_arg"] = videos.video @ texts.paragraph.T / losses.temperature
    out["loss/ct_global_weighted"] = losses.contrast_weight * info_nce(
        videos.video, texts.paragraph, losses.temperature
    )
    total = out["loss/ct_global_weighted"]
    if "mtc/key_indices" in io and losses.mtc_weight:
        drawn, present = draw_of(io), torch.ones(batch, clips, dtype=torch.bool)
        settings = (drawn, losses.mtc_others, losses.mtc_temperature, compat)
        out["mtc/label"] = labels_of(drawn, compat, present).flatten()
        out["mtc/sim_a"] = similarities(videos.clips, texts.sentences, *settings, present).flatten(0, 1)
        out["mtc/sim_b"] = similarities(texts.sentences, videos.clips, *settings, present).flatten(0, 1)
        out["loss/ct_time_weighted"] = losses.mtc_weight * mtc_loss(videos.clips, texts.sentences, *settings)
        total = total + out["loss/ct_time_weighted"]
        if "video/local_embd_internal" in out:
            pooled = frame_tokens(out["video/local_embd_internal"], compat).flatten(2, 3)
            out["alt/video_local_pooled"] = clip_vectors(pooled, clips, compat)
            out["alt/feat_video_local"] = F.normalize(model.video_local_proj(out["alt/video_local_pooled"]), dim=-1)
            loss = mtc_loss(out["alt/feat_video_local"], texts.sentences, *settings)
            out["alt/ct_time_weighted"] = losses.mtc_weight * loss
    out["loss/total"] = total
    return out


def stage_two(model: LFVila, io: dict[str, Tensor], video: Tensor) -> Outputs:
    """The outputs of stage 2."""
    out = Outputs()
    assert model.video_token_pos is not None
    videos = model.encode_video(video, io["in/text_ids"].shape[1])
    texts = model.encode_text(io["in/text_ids"], io["in/attention_mask"])
    tokens = model.video_token_pos(videos.tokens)
    frames = videos.tokens.shape[1]
    out["fusion/video_tokens"] = tokens.unflatten(1, (frames, -1))
    pairs = pairing(len(tokens), tokens.device, model.compat)
    out["fusion/vtm_labels"] = pairs.label
    out["fusion/input"], keep = model.fusion_input(texts, tokens[pairs.video])
    out["fusion/attention_mask"] = keep.float()
    hidden = model.text_encoder.fusion(out["fusion/input"], keep)
    out["fusion/last_hidden"], out["fusion/pooled"] = hidden, model.text_encoder.bert.pooler(hidden)
    out["fusion/mlm_logits"] = model.text_encoder.cls(hidden)
    labels = F.pad(io["in/mlm_labels"].flatten(1), (1, tokens.shape[1]), value=-100)
    out["fusion/mlm_labels_cat"] = labels
    out["fusion/vtm_logits"] = model.matching_scores(hidden)
    out["fusion/vtm_acc"] = accuracy_of(out["fusion/vtm_logits"], pairs.label)
    losses = model.fusion_losses(videos, texts, io["in/mlm_labels"])
    out["fusion/mlm_loss_raw"], out["fusion/vtm_loss_raw"] = losses["mlm"], losses["matching"]
    out["fusion/mlm_acc"], out["fusion/vtm_acc"] = losses["mlm_accuracy"], losses["matching_accuracy"]
    out["loss/mlm_weighted"] = model.size.losses.mlm_weight * losses["mlm"]
    out["loss/vtm_weighted"] = model.size.losses.matching_weight * losses["matching"]
    out["loss/total"] = out["loss/mlm_weighted"] + out["loss/vtm_weighted"]
    return out


def draw_of(stored: dict[str, Any]) -> Draw:
    """The positions that the released code had drawn; it draws no others where it wants no negatives."""
    keys, values = (torch.as_tensor(stored[f"mtc/{name}_indices"]) for name in ("key", "value"))
    others = stored.get("mtc/other_neg_indices")
    return Draw(keys, values, torch.zeros_like(keys[:, 0]) if others is None else torch.as_tensor(others))


def tolerance_of(name: str, stored: Tensor) -> float:
    """The tolerance of FIXTURES.md for an output of this name."""
    if not stored.is_floating_point() or name.endswith("attention_mask"):
        return EXACT
    unit = "/feat_" in name or "feat/" in name
    if unit and not name.endswith("_pooled"):
        return UNIT_NORM
    return LOSS if "loss" in name else ACTIVATION


def largest_difference(ours: Tensor | None, stored: Tensor) -> float:
    """The largest absolute difference; infinite where shapes differ or there is nothing to compare."""
    if ours is None or ours.numel() != stored.numel() or (ours.ndim and stored.ndim > 1 and ours.shape != stored.shape):
        return math.inf
    ours, stored = ours.detach().double().flatten(), stored.detach().double().flatten()
    same = (ours == stored) | (ours.isnan() & stored.isnan())  # the released code does return NaN (BEHAVIOUR 4e, 5c)
    return float((ours - stored).abs().masked_fill(same, 0.0).nan_to_num(nan=math.inf).max()) if len(ours) else 0.0


def compare_outputs(report: Report, config: dict[str, Any], io: dict[str, Tensor], out: Outputs) -> None:
    """Compare every stored output, and the norm of the whole tensor where only a part is stored."""
    for name, stored in io.items():
        if name.startswith(("in/", "mtc/key", "mtc/value", "mtc/other")) or name.endswith("total_fp64"):
            continue
        ours = out.get(name)
        part = config.get("output_slices", {}).get(name)
        if ours is not None and part is not None:
            ours = ours[:, :: part["step"]]
        report.add(name, largest_difference(ours, stored), tolerance_of(name, stored))
    for name, whole in config.get("output_full_stats", {}).items():
        ours = out.get(name)
        if ours is None or (list(ours.shape) not in (whole["shape"], [1, *whole["shape"]]) and ours.numel() != 1):
            report.add(f"{name} (whole)", math.inf, GRADIENT)
            continue
        norm = float(ours.detach().double().norm())
        both_nan = math.isnan(norm) and math.isnan(whole["l2"])
        report.add(f"{name} (whole)", 0.0 if both_nan else abs(norm - whole["l2"]) / max(whole["l2"], 1.0), ACTIVATION)
    for name, other in config.get("outputs_identical", {}).items():
        report.add(f"{name} is {other}", float(not torch.equal(out[name], out[other])), EXACT)


def compare_gradients(report: Report, folder: Path, model: LFVila) -> None:
    """Compare the norm of every gradient, and those that are stored whole."""
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    norms, whole = folder / "grad_norms.json", folder / "grads.safetensors"
    for name, norm in (json.loads(norms.read_text()) if norms.exists() else {}).items():
        ours = gradients.get(name)
        if norm is None or ours is None:
            report.add(f"|grad| {name}", 0.0 if norm is None and ours is None else math.inf, EXACT)
            continue
        rounded, actual = norm["fp32"], float(ours.double().norm())
        reference = norm.get("fp64", rounded)
        if reference is None or math.isnan(reference):
            report.add(f"|grad| {name}", 0.0 if math.isnan(actual) else math.inf, EXACT)
        elif reference > ZERO_GRADIENT:
            report.add(f"|grad| {name}", abs(actual / reference - 1), GRADIENT)
        else:
            report.add(f"|grad| {name}", abs(actual - reference), max(ZERO_GRADIENT, 10 * rounded))
    for name, stored in (load_file(whole) if whole.exists() else {}).items():
        ours = gradients.get(name)
        scale = max(float(stored.abs().max()), ZERO_GRADIENT)
        report.add(f"grad {name}", largest_difference(ours, stored) / scale, GRADIENT)


def compare_buffers(
    report: Report, folder: Path, config: dict[str, Any], model: LFVila, weights: dict[str, Tensor]
) -> None:
    """Compare what `export_official` adds: every weight comes back, and the index buffers are those of the released code."""
    exported = export_official(model)
    wrong = sum(name not in exported or not torch.equal(exported[name], value) for name, value in weights.items())
    report.add("exported weights", float(wrong), EXACT)
    for buffer in config.get("buffers_not_in_weights", []):
        ours = exported.get(buffer["name"])
        digest = "" if ours is None else hashlib.sha256(ours.contiguous().numpy().astype("<i8").tobytes()).hexdigest()
        report.add(buffer["name"], float(digest != buffer["sha256"]), EXACT)
    path = folder / "buffers.safetensors"
    for name, stored in (load_file(path) if path.exists() else {}).items():
        index = exported[name.removesuffix(".rows_0_mid_last")].to(stored.dtype)
        if name.endswith(".rows_0_mid_last"):
            index = index[[0, len(index) // 2, len(index) - 1]]
        report.add(f"{name} (rows)", largest_difference(index, stored), EXACT)


def check_fixture(folder: Path) -> Report:
    """Run a fixture in float32 with gradients, then once more in float64."""
    config = json.loads((folder / "config.json").read_text())
    weights, io = load_file(folder / "weights.safetensors"), load_file(folder / "io.safetensors")
    video, stage, report = video_of(io), config["model"]["stage"], Report()
    model = LFVila(size_of(config), stage, OFFICIAL).eval()
    load_official(model, weights)
    compare_buffers(report, folder, config, model, weights)

    def run(inputs: Tensor) -> Outputs:
        if stage == 1:
            return stage_one(model, io, inputs)
        first = stage_one(model, io, inputs)
        return Outputs(stage_two(model, io, inputs) | {f"s1/{name}": value for name, value in first.items()})

    out = run(video)
    compare_outputs(report, config, io, out)
    drawn = draw_of(io) if "mtc/key_indices" in io else None
    losses = model(video, io["in/text_ids"], io["in/attention_mask"].float(), io["in/mlm_labels"], drawn=drawn)
    report.add("loss/total of forward()", largest_difference(losses["loss"], out["loss/total"]), LOSS)
    losses["loss"].backward()
    compare_gradients(report, folder, model)
    with torch.no_grad():
        model.double()
        precise = run(video.double())
    for name, stored in io.items():
        if name.endswith("total_fp64"):
            report.add(name, largest_difference(precise[name.removesuffix("_fp64")], stored), DOUBLE)
    return report


def check_mtc(path: Path) -> Report:
    """Run the cases of the temporal loss in float64: the loss, the labels and the norms of both gradients."""
    report = Report()
    for number, case in enumerate(json.loads(path.read_text())["cases"]):
        name = f"{number:02d} {case['tag']} b={case['b']} m={case['m']}"
        video, text = (torch.tensor(case[side], dtype=torch.float64, requires_grad=True) for side in ("video", "text"))
        drawn = draw_of({f"mtc/{key}": case[key] for key in ("key_indices", "value_indices", "other_neg_indices")})
        drawn = Draw(drawn.keys[:, : case["num_key"]], drawn.values[:, : case["num_value"]], drawn.others)
        present = torch.ones(case["b"], case["m"], dtype=torch.bool)
        labels = labels_of(drawn, OFFICIAL, present)
        report.add(f"{name} labels", largest_difference(labels, torch.tensor(case["labels"])), EXACT)
        loss = mtc_loss(video, text, drawn, case["num_other_neg"], case["time_temp"], OFFICIAL)
        expected = torch.tensor(math.nan if case["expected_is_nan"] else case["expected_loss"], dtype=torch.float64)
        report.add(f"{name} loss", largest_difference(loss, expected), DOUBLE)
        if case["expected_is_nan"]:
            continue
        loss.backward()
        for side, tensor in (("video", video), ("text", text)):
            if (norm := (case.get("grad_l2") or {}).get(side)) is not None and tensor.grad is not None:
                report.add(f"{name} |grad {side}|", abs(float(tensor.grad.norm()) - norm) / max(norm, 1.0), DOUBLE)
    return report


def tables(title: str, report: Report) -> Iterator[str]:
    """The lines of a report."""
    yield title
    yield f"  {'tensor':<84} {'difference':>11} {'tolerance':>11}"
    for row in report.rows:
        yield f"  {row.name:<84} {row.difference:>11.3g} {row.tolerance:>11.3g}{'' if row.passed else '  MISS'}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fixtures", nargs="*", type=Path, metavar="FIXTURE_DIR")
    parser.add_argument("--mtc", type=Path, metavar="FILE", help="cases of the temporal loss (mtc_cases.json)")
    options = parser.parse_args(arguments)
    if not options.fixtures and options.mtc is None:
        parser.error("nothing to check: give a fixture folder or --mtc")
    torch.set_num_threads(1)
    checks = [(str(folder), check_fixture, folder) for folder in options.fixtures]
    checks += [(str(options.mtc), check_mtc, options.mtc)] if options.mtc else []
    missed, summary = 0, []
    for title, check, path in checks:
        try:
            report = check(path)
        except Exception:  # the other fixtures still count
            traceback.print_exc()
            missed += 1
            summary.append(f"{title}: FAILED TO RUN")
            continue
        print(*tables(title, report), sep="\n")
        missed += len(report.missed)
        summary.append(f"{title}: {len(report.rows)} compared, {len(report.missed)} missed")
    print(*summary, sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
