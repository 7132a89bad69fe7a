"""Whole trainings: exact resume, evaluation on the way, what is refused, what ends them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from data_corpora import PER_SENTENCE, make
from small_training import ALONE, configured, told, trained, weights, write_corpora

from longtake.library.shards import LoaderError
from longtake.model.training.trainer import Trainer, TrainingError
from longtake.model.weights.checkpoint import CheckpointError, checkpoints, load_model
from longtake.schemas.errors import ConfigError

EVALUATED = {"every": 2, "split": "train", "batch_size": 5}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    write_corpora(folder)
    return folder


# One epoch is four batches: stopped after 3 is in its middle, after 4 at its end; with accumulate 2 step 3 is in the second.
@pytest.mark.parametrize(
    ("stage", "precision", "stop", "changes"),
    [
        (1, "fp32", 3, {}),
        (1, "fp32", 4, {"evaluate": EVALUATED}),
        (1, "bf16", 3, {"accumulate": 2, "norms": "bf16"}),
        (2, "fp32", 3, {"accumulate": 2, "evaluate": EVALUATED}),
        (2, "bf16", 4, {}),
    ],
)
def test_a_stopped_and_resumed_training_is_the_same_bit_for_bit(
    corpora: Path, tmp_path: Path, stage: int, precision: str, stop: int, changes: dict[str, Any]
) -> None:
    config = configured(corpora, precision=precision, model={"stage": stage, "size": "tiny"}, steps=6, **changes)
    whole = config.model_copy(update={"output": str(tmp_path / "whole")})
    parts = config.model_copy(update={"output": str(tmp_path / "parts")})
    uninterrupted = trained(whole)
    assert uninterrupted.step == 6
    stopped = trained(parts, stop_after=stop)
    assert stopped.step == stop and [step for step, _ in checkpoints(stopped.folder)] == [stop]
    resumed = trained(parts, resume=True)
    first, second = told(whole.output), told(parts.output)
    assert len(first) == 6 + (3 if "evaluate" in changes else 0)
    assert first == second
    expected, found = weights(uninterrupted), weights(resumed)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert {r["damaged"] for r in first if "damaged" in r} == {0}


def test_other_numbers_of_workers_after_a_resumption_change_nothing(corpora: Path, tmp_path: Path) -> None:
    base = configured(corpora)
    whole = base.model_copy(update={"output": str(tmp_path / "whole")})
    uninterrupted = trained(whole)
    parts = base.model_copy(update={"output": str(tmp_path / "parts")})
    trained(parts, stop_after=1)
    trained(parts.model_copy(update={"data": base.data.model_copy(update={"workers": 2})}), True, stop_after=3)
    resumed = trained(parts, True)
    assert told(whole.output) == told(parts.output)
    assert all(
        torch.equal(a, b) for a, b in zip(weights(uninterrupted).values(), weights(resumed).values(), strict=True)
    )


def test_steps_differ_from_each_other_and_with_the_seed(corpora: Path, tmp_path: Path) -> None:
    """What would make the tests above empty: the same draws in every step."""
    one = trained(configured(corpora, steps=2, output=str(tmp_path / "one")))
    two = trained(configured(corpora, steps=2, output=str(tmp_path / "two"), seed=1))
    assert told(one.folder)[0]["loss"] != told(two.folder)[0]["loss"]
    model = trained(configured(corpora, steps=1, output=str(tmp_path / "three"))).model
    assert model.text_encoder.size.dropout > 0


def test_records_are_means_over_their_steps(corpora: Path, tmp_path: Path) -> None:
    fine = trained(configured(corpora, output=str(tmp_path / "fine")))
    coarse = trained(configured(corpora, output=str(tmp_path / "coarse"), log_every=4))
    each, means = told(fine.folder), told(coarse.folder)
    assert [record["step"] for record in means] == [4, 6]
    for name in ("loss", "grad_norm", "mtc"):
        assert means[0][name] == pytest.approx(sum(record[name] for record in each[:4]) / 4, rel=1e-6)
        assert means[1][name] == pytest.approx(sum(record[name] for record in each[4:]) / 2, rel=1e-6)
    assert means[1]["epoch"] == 1.5


def test_epochs_become_steps(corpora: Path, tmp_path: Path) -> None:
    assert Trainer(configured(corpora, steps=None, epochs=2.5), ALONE).steps == 10
    assert Trainer(configured(corpora, steps=None, epochs=1, accumulate=3), ALONE).steps == 2


def test_an_evaluation_that_was_missed_is_made_up_for(corpora: Path, tmp_path: Path) -> None:
    changes = {"steps": 4, "save": {"every": 2}, "evaluate": EVALUATED}
    whole = trained(configured(corpora, output=str(tmp_path / "whole"), **changes))
    config = configured(corpora, output=str(tmp_path / "parts"), **changes)
    for stop_at in (2, 4):  # a stop arrives during the evaluation that follows the checkpoint
        trainer = Trainer(config, ALONE, lambda _: None)
        trainer.start(resume=True)
        asked = iter(range(100))
        done = trainer.run(lambda t=trainer, n=stop_at, a=asked: t.step == n and t._log.path.exists() and next(a) >= 2)  # type: ignore[misc]
        assert trainer.step == stop_at and not done
        assert not [r for r in told(config.output) if "eval/samples" in r and r["step"] == stop_at]
    finished = trained(config, resume=True)
    assert finished.step == 4 and told(config.output) == told(whole.folder)
    again = trained(config, resume=True)  # nothing is left
    assert again.step == 4 and told(config.output) == told(whole.folder)


def test_evaluation_has_the_metrics_of_its_stage(corpora: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    for stage, name in ((1, "eval/paragraph_to_video/r1"), (2, "eval/matching_accuracy")):
        run = tmp_path / str(stage)
        trained(
            configured(corpora, output=str(run), model={"stage": stage}, steps=2, evaluate=EVALUATED), say=lines.append
        )
        (found,) = [record[name] for record in told(run) if name in record]
        assert 0 <= found <= 1
    assert any(line.startswith("evaluation at step 2: ") for line in lines)


def test_a_run_is_not_started_over(corpora: Path, tmp_path: Path) -> None:
    config = configured(corpora, output=str(tmp_path / "run"), steps=1)
    trained(config)
    with pytest.raises(ConfigError, match=r"holds a training at step 1\. Go on with --resume"):
        trained(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": {"lr": 1e-3}}, r"optimizer\.lr was 5e-05, is 0\.001"),
        ({"batch_size": 2}, "batch_size was 3, is 2"),
        ({"steps": 9}, "steps was 6, is 9"),
        ({"seed": 5}, "seed was 0, is 5"),
        ({"model": {"losses": {"mtc_weight": 0}}}, r"model\.losses\.mtc_weight was None, is 0"),
        ({"data": {"flip": 0}}, r"flip was 0\.5, is 0"),
        ({"data": {"tokens": 7}}, "tokens was 8, is 7"),
        ({"corpus": "other"}, "shards was"),
    ],
)
def test_other_settings_are_refused_by_name(
    corpora: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    run = str(tmp_path / "run")
    trained(configured(corpora, output=run), stop_after=1)
    if changes.get("corpus"):
        make(tmp_path / "other", [[4] * 12])
        changes = {"corpus": str(tmp_path / "other")}
    with pytest.raises(ConfigError, match=message):
        trained(configured(corpora, output=run, **changes), resume=True)
    assert [step for step, _ in checkpoints(run)] == [1]


def test_another_number_of_processes_is_refused(corpora: Path, tmp_path: Path) -> None:
    config = configured(corpora, output=str(tmp_path / "run"), batch_size=2)
    trained(config, stop_after=1)
    with pytest.raises(ConfigError, match="ranks was 1, is 2"):
        Trainer(config, replace(ALONE, ranks=2)).start(resume=True)


def test_a_checkpoint_whose_state_lacks_something_is_refused(corpora: Path, tmp_path: Path) -> None:
    config = configured(corpora, output=str(tmp_path / "run"))
    folder = checkpoints(trained(config, stop_after=1).folder)[0][1]
    state = torch.load(f"{folder}/state.pt", weights_only=True)
    for name in ("deciding", "loader", "optimizer", "counts"):
        torch.save({key: value for key, value in state.items() if key != name}, f"{folder}/state.pt")
        with pytest.raises(CheckpointError, match=f"not a checkpoint of this training: KeyError: '{name}'"):
            trained(config, resume=True)


@pytest.mark.parametrize("lr", [1e20, 1e39])
def test_what_is_not_finite_ends_the_training_and_is_never_saved(corpora: Path, tmp_path: Path, lr: float) -> None:
    """1e39 is more than float32 holds: the weights are infinite after a step whose loss and gradient were not."""
    changes = {"optimizer": {"lr": lr, "warmup": 0}, "save": {"every": 1}, "steps": 50}
    config = configured(corpora, output=str(tmp_path / "run"), **changes)
    with pytest.raises(TrainingError, match=r"step \d+: .* not finite; nothing was saved since.*lower optimizer\.lr"):
        trained(config)
    for _, folder in checkpoints(config.output):
        model, _ = load_model(folder)
        assert all(value.isfinite().all() for value in model.state_dict().values())
    assert all(record["loss"] == record["loss"] for record in told(config.output))


def test_the_last_good_checkpoint_stays(corpora: Path, tmp_path: Path) -> None:
    config = configured(corpora, output=str(tmp_path / "run"), save={"every": 2}, steps=6)
    trainer = Trainer(config, ALONE, lambda _: None)
    trainer.start()

    def spoil() -> bool:
        if trainer.step == 3:
            with torch.no_grad():
                trainer.model.text_global_proj.bias.fill_(float("nan"))
        return False

    with pytest.raises(TrainingError, match="step 4: contrast, grad_norm, loss not finite"):
        trainer.run(spoil)
    assert [step for step, _ in checkpoints(config.output)] == [2]
    assert [record["step"] for record in told(config.output)] == [1, 2, 3]
    assert trained(config, resume=True).step == 6


def test_damaged_samples_are_counted_and_the_training_goes_on(
    corpora: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def cut(key: str, members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        return [(n, d[:40] if key.startswith("v003") and n.endswith("jpg") else d) for n, d in members]

    keys = make(tmp_path / "corpus", [[4, 5, 4, 6], [4, 4, 7, 4], [5, 4, 4, 4]], edit=cut)
    lines: list[str] = []
    run = tmp_path / "run"
    config = configured(corpora, corpus=str(tmp_path / "corpus"), output=str(run), steps=8)
    trained(config, say=lines.append)
    counts = [record["damaged"] for record in told(run)]
    assert counts == sorted(counts) and counts[-1] >= 2  # once in each of two epochs, and when it was to fill a place
    assert f"{counts[-1]} damaged samples" in lines[-3] + lines[-2]
    assert f"sample {keys[3]} skipped: jpeg" in caplog.text


@pytest.mark.parametrize("workers", [0, 1])
def test_all_samples_damaged_is_one_message(corpora: Path, tmp_path: Path, workers: int) -> None:
    make(tmp_path / "corpus", [[4] * 6], edit=lambda key, members: [(n, b"") for n, _ in members])
    config = configured(
        corpora, corpus=str(tmp_path / "corpus"), output=str(tmp_path / "run"), data={"workers": workers}
    )
    with pytest.raises(LoaderError) as raised:
        trained(config)
    assert "damaged samples and none left to fill" in str(raised.value)
    assert "Traceback" not in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("stage", [1, 2])
def test_checkpointing_changes_no_loss(corpora: Path, tmp_path: Path, stage: int) -> None:
    runs = []
    for checkpointing in (False, True):
        run = tmp_path / f"{checkpointing}"
        model = {"stage": stage}
        trained(configured(corpora, output=str(run), model=model, steps=3, checkpointing=checkpointing))
        runs.append(told(run))
    assert runs[0] == runs[1]


@pytest.mark.exhaustive  # compiling takes minutes; test_compile.py tries the graphs
@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 2])
def test_compiled_encoders_give_nearly_the_same_losses(corpora: Path, tmp_path: Path, stage: int) -> None:
    if not torch._inductor.cpp_builder.get_cpp_compiler():
        pytest.skip("torch.compile needs a C++ compiler, and there is none")
    runs = []
    for compiled in (False, True):
        run = tmp_path / f"{compiled}"
        text = {**configured(corpora).model.text, "dropout": 0}  # compiled dropout draws other numbers
        model = {"stage": stage, "text": text}
        trained(configured(corpora, output=str(run), model=model, steps=3, compile=compiled, evaluate=EVALUATED))
        runs.append(told(run))
        torch.compiler.reset()
    for plain, fast in zip(*runs, strict=True):
        assert plain.keys() == fast.keys()
        for name, value in plain.items():
            if not name.startswith("eval/"):  # ranks of nearly equal similarities jump
                assert fast[name] == pytest.approx(value, rel=2e-3, abs=1e-4), name


def test_frames_of_the_corpus_decide_the_model(corpora: Path) -> None:
    card = Trainer(configured(corpora), ALONE).card
    assert card.size.frames_per_clip == PER_SENTENCE
    assert Trainer(configured(corpora, data={"frames_per_sentence": 1}), ALONE).card.size.frames_per_clip == 1


def test_records_are_json_that_others_can_read(corpora: Path, tmp_path: Path) -> None:
    trainer = trained(configured(corpora, output=str(tmp_path / "run"), steps=2, evaluate=EVALUATED))
    for line in (Path(trainer.folder) / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
