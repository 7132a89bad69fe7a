"""A step: two processes against one with the whole batches, and what is random in it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from small_training import ALONE, TEXT, VIDEO, configured, trained, weights, write_corpora

from longtake.model.data.samples import Batch
from longtake.model.data.transforms import normalise
from longtake.model.training import step as training_step, trainer as training
from longtake.model.training.process import Process
from longtake.model.training.step import Interval, derived_seed, hide_words, mixed_dtype
from longtake.model.training.trainer import Trainer
from longtake.schemas.train_config import TrainConfig

RANKS, STEPS = 2, 2
CASES = [(1, 1, {}), (1, 2, {"contrast": "sigmoid", "mtc_others": 1}), (2, 1, {}), (2, 2, {})]
CHUNKED = (0, 1)  # numbers of the cases that two processes also take in chunks


def case(folder: Path, stage: int, accumulate: int, losses: dict[str, Any], chunks: int = 1) -> TrainConfig:
    model = {"stage": stage, "text": {**TEXT, "dropout": 0}, "losses": losses}
    optimizer = {"lr": 1e-2, "eps": 1e-3}
    return configured(
        folder, model=model, accumulate=accumulate, batch_size=4, optimizer=optimizer, contrast_chunks=chunks
    )


def part_of(batch: Batch, number: int) -> Batch:
    part = slice(number * len(batch) // RANKS, (number + 1) * len(batch) // RANKS)
    return replace(batch, frames=batch.frames[part], ids=batch.ids[part], mask=batch.mask[part], keys=batch.keys[part])


def stepped(config: TrainConfig, process: Process, parts: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """The weights after some steps on these parts of the batches, or on whole ones, and the losses' means over the ranks."""
    trainer = Trainer(config, ALONE)
    trainer.start()
    trainer.stepper.process = process
    trainer.stepper.prepare()
    trainer.model.train()

    def batches() -> Iterator[Batch]:
        while True:
            for batch in trainer.loader:
                yield from [part_of(batch, part) for part in parts] or [batch]

    interval, stream = Interval(), batches()
    for step in range(STEPS):
        trainer.stepper.take(step, STEPS, stream, interval)
    found = weights(trainer)
    for name, value in interval.sums.items():
        found[f"sum of {name}"] = process.mean(value)
    return found


def hide_third(batch: Batch, tokenizer: Any, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Hide the third token of each sentence; what is drawn depends on the rank, as it should."""
    ids, labels = batch.ids.clone(), torch.full_like(batch.ids, -100)
    labels[:, :, 2], ids[:, :, 2] = batch.ids[:, :, 2], tokenizer.mask_token_id
    return ids, labels


def worker(rank: int, folder: str) -> None:
    """What each process does."""
    torch.set_num_threads(1)
    training_step.hide_words = hide_third
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=RANKS)
    process = Process(rank, RANKS, torch.device("cpu"))
    found = [stepped(case(Path(folder), *one), process, (rank,)) for one in CASES]
    found += [stepped(case(Path(folder), *CASES[one], 2), process, (rank,)) for one in CHUNKED]
    torch.save(found, f"{folder}/rank{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_take_the_steps_of_one_with_the_whole_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpora(tmp_path)
    for one in CASES:
        case(tmp_path, *one)  # the stage 1 that both processes start from
    mp.start_processes(worker, (str(tmp_path),), nprocs=RANKS, start_method="spawn")
    ranks = [torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(RANKS)]
    monkeypatch.setattr(training_step, "hide_words", hide_third)
    for number, place in enumerate([*range(len(CASES)), *CHUNKED]):
        stage, accumulate, losses = CASES[place]
        config = case(tmp_path, stage, accumulate, losses)
        if stage == 1:
            alone = stepped(config, ALONE, ())
        else:  # a paragraph's wrong video is that of the next of its rank: one process takes the halves one by one
            alone = stepped(config.model_copy(update={"accumulate": accumulate * RANKS}), ALONE, (0, 1))
        first, second = (found[number] for found in ranks)
        assert first.keys() == second.keys() == alone.keys()
        for name, value in alone.items():
            if name != "sum of grad_norm":
                assert torch.equal(first[name], second[name]), name
            torch.testing.assert_close(first[name], value, atol=1e-5, rtol=1e-4, msg=f"{number} {name}")
        start = weights(Trainer(config, ALONE))
        assert sum(not torch.allclose(value, alone[name], atol=1e-4) for name, value in start.items()) > 20


def test_what_is_drawn_depends_on_step_part_and_rank(tmp_path: Path) -> None:
    assert len({derived_seed(0, *numbers) for numbers in ((0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 1))}) == 6
    assert derived_seed(3, 5, 7) == derived_seed(3, 5, 7) < 1 << 63
    write_corpora(tmp_path)
    trainer = Trainer(configured(tmp_path, model={"stage": 2}, batch_size=12), ALONE)
    batch = next(iter(trainer.loader))
    (ids, labels), (again, _), (others, _) = (hide_words(batch, trainer.stepper.tokenizer, seed) for seed in (1, 1, 2))
    assert torch.equal(ids, again) and not torch.equal(ids, others)
    hidden = labels != -100
    assert (
        hidden.any()
        and torch.equal(labels[hidden], batch.ids[hidden])
        and torch.equal(ids[~hidden], batch.ids[~hidden])
    )
    special = torch.isin(batch.ids, torch.tensor(trainer.stepper.tokenizer.all_special_ids))
    assert not (hidden & special).any()


def test_steps_draw_dropout_and_mtc_anew(tmp_path: Path) -> None:
    """The same batch and weights in another step, or on another rank, have another loss; in the same step the same."""
    write_corpora(tmp_path)
    trainer = Trainer(configured(tmp_path), ALONE)
    batch = next(iter(trainer.loader))
    losses = [trainer.stepper._losses(batch, step, 0)["loss"].item() for step in (0, 0, 1, 2)]
    assert losses[0] == losses[1] and len(set(losses)) == 3
    trainer.stepper.process = replace(ALONE, rank=1)
    assert trainer.stepper._losses(batch, 0, 0)["loss"].item() != losses[0]


@pytest.mark.parametrize(
    ("precision", "device", "dtype"),
    [
        ("auto", "cpu", None),
        ("auto", "cuda", torch.bfloat16),
        ("bf16", "cpu", torch.bfloat16),
        ("fp32", "cuda", None),
    ],
)
def test_precision_follows_the_device(precision: str, device: str, dtype: torch.dtype | None) -> None:
    assert mixed_dtype(configured(Path("anywhere"), precision=precision), torch.device(device)) is dtype


@pytest.mark.parametrize("losses", [{}, {"contrast": "sigmoid"}, {"mtc_weight": 0}])
def test_chunks_give_the_gradient_of_the_whole_batch(tmp_path: Path, losses: dict[str, Any]) -> None:
    write_corpora(tmp_path)
    found = []
    for chunks in (1, 2, 6):
        changes = {
            "batch_size": 6,
            "contrast_chunks": chunks,
            "model": {"losses": losses, "text": {**TEXT, "dropout": 0.0}},
        }
        trainer = Trainer(configured(tmp_path, **changes), ALONE)
        trainer.model.double().train()
        batch = next(iter(trainer.loader))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Batch, "video", lambda self: normalise(self.frames, torch.float64))
            values = trainer.stepper._backward(batch, 3, 0)
        gradients = {name: p.grad for name, p in trainer.model.named_parameters() if p.requires_grad}
        found.append(values | gradients)
    assert all(value is not None for value in found[0].values()) and float(found[0]["loss"]) > 0
    for chunked in found[1:]:
        assert chunked.keys() == found[0].keys()
        for name, value in found[0].items():
            torch.testing.assert_close(chunked[name], value, atol=1e-10, rtol=1e-8, msg=name)


def test_cuda_graphs_are_asked_for_in_training_and_not_in_an_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no CUDA here: what torch.compile is asked for is noted, and runs eagerly. test_compile.py tries its graphs."""
    write_corpora(tmp_path)
    asked, ran = [], []

    def eager(encode: Callable[..., Any], **given: Any) -> Callable[..., Any]:
        asked.append(given)
        return lambda *inputs: ran.append(encode.__name__) or encode(*inputs)  # type: ignore[func-returns-value]

    monkeypatch.setattr(torch, "compile", eager)
    monkeypatch.setattr(training, "check_kernels", lambda config, device: None)  # it would refuse a CPU
    config = configured(tmp_path, compile="reduce-overhead", evaluate={"every": 6, "split": "train"}, log_to=[])
    assert trained(config).step == 6
    assert asked == [{"mode": "reduce-overhead", "dynamic": False}] * 2
    assert sorted(ran) == ["encode_text"] * 6 + ["encode_video"] * 6


def test_both_passes_of_a_chunk_draw_the_same_dropout(tmp_path: Path) -> None:
    """The features of the second pass are those whose gradients the first has found; other dropout would give other features."""
    write_corpora(tmp_path)
    model = {"video": {**VIDEO, "drop_path": 0.5}, "losses": {"learn_temperature": True}}
    trainer = Trainer(configured(tmp_path, batch_size=4, contrast_chunks=2, model=model, freeze=["contrast"]), ALONE)
    trainer.model.train()
    seen: list[torch.Tensor] = []
    encode = trainer.model.encode_text
    trainer.model.encode_text = lambda *a: seen.append((found := encode(*a)).paragraph.detach()) or found  # type: ignore[method-assign, func-returns-value]
    batch = next(iter(trainer.loader))
    trainer.stepper._backward(batch, 0, 0)
    first, second, *again = seen
    assert torch.equal(first, again[0]) and torch.equal(second, again[1]) and not torch.equal(first, second)
    plain = trainer.model.eval().encode_text(*(x[:2] for x in (batch.ids, batch.mask))).paragraph
    assert not torch.equal(first, plain)
