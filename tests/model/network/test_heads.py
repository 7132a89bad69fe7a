"""The heads of the downstream tasks: names and shapes as released, losses against statements of their own, who is trained."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from released_tasks import CLASSES, ROWS, inputs as inputs_of, weight
from small_models import SMALL, batch, small
from torch import Tensor

from longtake.model.network.heads import QuestionModel, Targets, make_model
from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import LossSettings, ModelSize, VideoSize
from longtake.model.network.task_head import TaskHead
from longtake.model.weights.official import export_official, load_official

ANSWER, CHOICE = TaskHead("answer", classes=5, rows=2), TaskHead("choice", rows=3, span_weight=0.5)
CLASSIFY, RETRIEVAL = TaskHead("classify", classes=7, rows=1), TaskHead("retrieval")
HEADS = {"answer": ANSWER, "choice": CHOICE, "classify": CLASSIFY, "retrieval": RETRIEVAL}
SIZE = replace(SMALL, text=replace(SMALL.text, dropout=0.0))


def made(head: TaskHead) -> Any:
    model = make_model(SIZE, 2 if head.kind in ("answer", "choice") else 1, "corrected", head)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def inputs(head: TaskHead, size: int = 3, options: int = 4) -> tuple[Tensor, Tensor, Tensor, Targets]:
    video, _, _ = batch(size)
    rows = size * (options if head.kind == "choice" else 1)
    _, ids, mask = batch(rows, clips=head.rows)
    ids[:, -1], mask[:, -1] = 0, 0  # a row without subtitle
    if head.kind == "choice":
        ids, mask = ids.view(size, options, head.rows, -1), mask.view(size, options, head.rows, -1)
    span = torch.zeros(size, 32, dtype=torch.int64)
    span[:, 5:9] = 1
    return video, ids, mask, Targets(torch.randint(4, (size,)), span, torch.rand(size, 32) + 0.5)


@pytest.mark.parametrize("kind", HEADS)
def test_the_names_are_the_released_ones(kind: str) -> None:
    exported = export_official(made(HEADS[kind]))
    first, second = set(export_official(small(1))), set(export_official(small(2)))
    local = {f"{name}_local_proj.{part}" for name in ("video", "text") for part in ("weight", "bias")}
    globals_ = {name.replace("local", "global") for name in local}
    words = {name for name in second if name.startswith(("text_encoder.cls.", "text_encoder.seq_relationship."))}
    answers = {"text_encoder.classifier.weight", "text_encoder.classifier.bias"}
    spans = {"text_encoder.span_classifier.weight", "text_encoder.span_classifier.bias"}
    expected = {
        "retrieval": first - local,
        "answer": second - local - globals_ - words | answers,
        "choice": second - local - globals_ - words | answers | spans,
        "classify": {n for n in first if n.startswith(("video_encoder.", "video_global_proj."))}
        | {f"{name}.{part}" for name in ("video_frame_proj", "classifier") for part in ("weight", "bias")},
    }
    assert set(exported) == expected[kind]
    width = SIZE.text.hidden
    shapes = {
        "answer": {"text_encoder.classifier.weight": (5, width)},
        "choice": {"text_encoder.classifier.weight": (1, width), "text_encoder.span_classifier.weight": (2, width)},
        "classify": {"classifier.weight": (7, width), "video_frame_proj.weight": (width, width)},
    }
    for name, shape in shapes.get(kind, {}).items():
        assert tuple(exported[name].shape) == shape


@pytest.mark.parametrize("kind", HEADS)
def test_weights_of_a_task_go_out_and_come_back(kind: str) -> None:
    model, other = made(HEADS[kind]), made(HEADS[kind])
    report = load_official(other, export_official(model))
    assert report.unused == ()
    assert set(report.missing) <= {f"{n}_local_proj.{part}" for n in ("video", "text") for part in ("weight", "bias")}
    first, second = export_official(model), export_official(other)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("stage", [1, 2])
def test_weights_of_pre_training_start_a_task(kind: str, stage: Any) -> None:
    model, before = made(HEADS[kind]), small(stage)
    report = load_official(model, export_official(before))
    own, source = model.state_dict(), before.state_dict()
    assert all(torch.equal(own[name], source[name]) for name in own if name not in report.missing)
    fresh = {
        name for name in report.missing if not name.startswith(("text_encoder.bert.encoder.layer.2", "video_token_pos"))
    }
    assert fresh <= {name for name in own if "classifier" in name or "video_frame_proj" in name}
    with pytest.raises(ValueError, match=r"do not fit: .*norm"):
        load_official(model, {n: v for n, v in export_official(before).items() if n != "video_encoder.norm.weight"})


def test_labels_of_another_number_do_not_fit() -> None:
    with pytest.raises(ValueError, match="shapes differ: classifier"):
        load_official(made(CLASSIFY), export_official(made(replace(CLASSIFY, classes=9))))


def test_answers_are_read_from_the_pooler() -> None:
    model = made(ANSWER)
    video, ids, mask, targets = inputs(ANSWER)
    losses = model(video, ids, mask, targets)
    scores, spans = model.scores(video, ids, mask)
    assert spans is None and scores.shape == (3, 5)
    logs = scores.double() - torch.logsumexp(scores.double(), 1, keepdim=True)
    expected = -logs[torch.arange(3), targets.answer].mean().item()
    assert (
        losses["loss"].item() == pytest.approx(expected, abs=1e-5) == pytest.approx(losses["answer"].item(), abs=1e-5)
    )
    # The same by the parts of stage 2: tokens of text and video through the fusion layers.
    text = model.encode_text(ids, mask)
    fused = model.text_encoder.fusion(*model.fusion_input(text, model.encode_video(video)))
    pooled = torch.tanh(F.linear(fused[:, 0], *model.text_encoder.bert.pooler.dense.parameters()))
    torch.testing.assert_close(scores, F.linear(pooled, *model.text_encoder.classifier.parameters()))


def test_label_smoothing_is_that_of_the_released_code() -> None:
    model = made(replace(ANSWER, label_smoothing=0.1))
    video, ids, mask, targets = inputs(ANSWER)
    scores, _ = model.scores(video, ids, mask)
    logs = F.log_softmax(scores, -1)
    expected = -(0.9 * logs[torch.arange(3), targets.answer] + 0.1 * logs.mean(1)).mean()
    torch.testing.assert_close(model(video, ids, mask, targets)["loss"], expected)


def test_each_option_is_scored_alone_and_the_span_by_the_best_of_them() -> None:
    model = made(CHOICE)
    video, ids, mask, targets = inputs(CHOICE)
    scores, spans = model.scores(video, ids, mask)
    assert scores.shape == (3, 4) and spans.shape == (3, 32, 2)
    alone = [model.scores(video, ids[:, k : k + 1], mask[:, k : k + 1]) for k in range(4)]
    torch.testing.assert_close(scores, torch.cat([one for one, _ in alone], 1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(spans, torch.stack([one for _, one in alone]).amax(0), atol=1e-5, rtol=1e-4)
    losses = model(video, ids, mask, targets)
    each = [
        targets.span_weight[b, n].item() * -math.log(torch.softmax(spans[b, n], 0)[targets.span[b, n]].item())
        for b in range(3)
        for n in range(32)
    ]
    assert losses["span"].item() == pytest.approx(sum(each) / len(each), rel=1e-4)
    assert losses["loss"].item() == pytest.approx((losses["answer"] + 0.5 * losses["span"]).item(), rel=1e-5)


def test_labels_are_read_from_the_mean_of_all_tokens() -> None:
    model = made(CLASSIFY)
    video, _, _, targets = inputs(CLASSIFY)
    maps = model.video_encoder(video, 4).video  # (B, T, H, W, C)
    pooled = F.max_pool2d(
        maps.flatten(0, 1).permute(0, 3, 1, 2), (min(2, maps.shape[2]), min(3, maps.shape[3])), stride=1
    )
    mean = pooled.flatten(2).mean(2).unflatten(0, (3, -1)).mean(1)
    feature = F.linear(mean, *model.video_global_proj.parameters())
    scores = F.linear(feature / feature.norm(dim=1, keepdim=True), *model.classifier.parameters())
    torch.testing.assert_close(model(video, None, None, targets)["loss"], F.cross_entropy(scores, targets.answer))


@pytest.mark.parametrize("kind", HEADS)
def test_what_a_loss_reaches_is_trained_and_nothing_else(kind: str) -> None:
    model = made(HEADS[kind]).train()
    video, ids, mask, targets = inputs(HEADS[kind])
    if kind == "retrieval":
        model = LFVila(replace(SIZE, losses=replace(SIZE.losses, mtc_weight=0.0)))
        losses = model(video, ids, mask)
    else:
        losses = model(video, ids, mask, targets)
    losses["loss"].backward()
    reached = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert reached == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    if isinstance(model, QuestionModel):
        assert {"text_encoder.bert.pooler.dense.weight", "video_encoder.patch_embed.proj.weight"} <= reached


RELEASED = json.loads((Path(__file__).parent / "released_tasks.json").read_text())
AS_RELEASED = ModelSize(
    video=VideoSize(embed_dim=4, depths=(1,) * 6, heads=(1, 2, 4, 4, 4, 4), drop_path=0.0),
    text=replace(SMALL.text, positions=64),
    losses=LossSettings(mtc_weight=0.0),
    frames_per_clip=2,
)


@pytest.mark.parametrize("kind", RELEASED)
def test_the_released_classes_agree(kind: str) -> None:
    """Names, shapes, losses, scores and all gradients are those of the released code (tests/released_tasks.py ran it)."""
    expected = RELEASED[kind]
    head = TaskHead(HEADS[kind].kind, CLASSES if kind in ("answer", "classify") else 0, ROWS[kind])
    model = make_model(AS_RELEASED, 2 if kind in ("answer", "choice") else 1, "official", head)
    buffers = ("position_ids", "relative_position_index")
    shapes = {name: tuple(shape) for name, shape in expected["shapes"].items()}
    source = {n: torch.from_numpy(weight(n, shape)) for n, shape in shapes.items() if not n.endswith(buffers)}
    assert load_official(model, source).unused == ()
    assert {name: tuple(value.shape) for name, value in export_official(model).items()} == shapes
    model.eval().requires_grad_(True)
    video, ids, mask, answer, span, weights = (torch.from_numpy(one) for one in inputs_of(kind))
    if kind == "retrieval":
        losses = model(video, ids, mask)
        scores = model.encode_text(ids, mask).paragraph @ model.encode_video(video).video.T
    else:
        losses = model(video, ids, mask, Targets(answer, span, weights))
        scores = (
            model.classifier(model.encode_video(video)) if kind == "classify" else model.scores(video, ids, mask)[0]
        )
    losses["loss"].backward()
    names = {
        "loss": "answer",
        "span_loss": "span",
        "ct_global_loss": "contrast",
        "acc": "accuracy",
        "span_acc": "span_accuracy",
    }
    for name, value in (expected["losses"] | expected["accuracy"]).items():
        assert losses[names[name]].item() == pytest.approx(value, abs=1e-5), name
    torch.testing.assert_close(scores, torch.tensor(expected["scores"]), atol=1e-5, rtol=1e-4)
    found = {name: p.grad.norm().item() for name, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == expected["gradients"].keys()
    assert all(found[name] == pytest.approx(value, rel=1e-3, abs=1e-6) for name, value in expected["gradients"].items())
