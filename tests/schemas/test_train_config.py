"""train.yaml: every mistake is one line that names the setting."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from longtake.schemas.errors import ConfigError
from longtake.schemas.train_config import load_train_config, parse_train_config

LEAST: dict[str, Any] = {"corpus": "out/corpus", "output": "run", "steps": 10}


def parse(**changes: Any) -> Any:
    raw = {name: value for name, value in {**LEAST, **changes}.items() if value is not None}
    return parse_train_config(raw, "train.yaml")


def test_the_least_is_enough_and_the_defaults_are_the_recipe() -> None:
    config = parse()
    assert (config.optimizer.lr, config.optimizer.betas, config.optimizer.weight_decay) == (5e-5, (0.9, 0.98), 0.05)
    assert (config.optimizer.warmup, config.optimizer.final, config.data.sentences) == (0.1, 0.01, 4)
    assert config.model.size == "compact" and config.model.stage == 1 and config.precision == "auto"
    assert parse(optimizer={"lr": "5e-5"}).optimizer.lr == 5e-5  # what YAML makes of 5e-5 without a dot


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"corpus": None}, "corpus: Field required"),
        ({"output": None}, "output: Field required"),
        ({"stpes": 3}, "stpes: no such setting. Did you mean steps? See docs/training.md"),
        ({"optimizer": {"learning_rate": 1}}, "optimizer.learning_rate: no such setting"),
        ({"data": {"batch_size": 1}}, "data.batch_size: no such setting"),
        ({"model": {"sise": "tiny"}}, "model.sise: no such setting"),
        ({"model": {"size": "huge"}}, "model.size: Input should be 'tiny', 'compact' or 'base'"),
        ({"model": {"stage": 3}}, "model.stage: Input should be 1 or 2"),
        ({"model": {"compat": "officail"}}, "model.compat: 'officail' must be corrected, official, or switches"),
        ({"model": {"compat": None}}, "model.compat: None must be"),
        (
            {"model": {"compat": {"own_clip_negatives": "perhaps"}}},
            "model.compat: own_clip_negatives must be true or false",
        ),
        ({"model": {"video": [1]}}, "model.video: Input should be a valid dictionary"),
        ({"init": {"weights": "a", "swin": "b"}}, "init: weights already hold a video encoder: remove swin"),
        ({"steps": None}, "settings: give either steps or epochs"),
        ({"epochs": 2}, "settings: give either steps or epochs"),
        ({"steps": 0}, "steps: Input should be greater than or equal to 1"),
        ({"steps": "many"}, "steps: Input should be a valid integer"),
        ({"steps": None, "epochs": -1}, "epochs: Input should be greater than 0"),
        ({"batch_size": 0}, "batch_size: Input should be greater than or equal to 1"),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
        ({"precision": "fp8"}, "precision: Input should be 'auto', 'fp32', 'bf16' or 'fp16'"),
        ({"optimizer": {"schedule": "flat"}}, "optimizer.schedule: Input should be 'linear', 'cosine' or 'step'"),
        ({"optimizer": {"layer_decay": 0}}, "optimizer.layer_decay: Input should be greater than 0"),
        (
            {"task": {"kind": "retrieval"}, "data": {"concatenate": 0.5}},
            "settings: data.concatenate is for pre-training",
        ),
        (
            {"task": {"kind": "answer", "classes": 3}, "contrast_chunks": 2},
            "settings: contrast_chunks: task 'answer' has no contrast",
        ),
        ({"task": {"kind": "choice", "rows": 1}}, "task: rows is 1: the question takes the first row"),
        ({"task": {"kind": "retrieval", "label_smoothing": 0.1}}, "task: task 'retrieval' takes no label_smoothing"),
        ({"batch_size": 6, "contrast_chunks": 4}, "settings: batch_size 6 cannot be cut into 4 contrast_chunks"),
        ({"model": {"stage": 2}, "contrast_chunks": 2}, "settings: contrast_chunks: stage 2 has no contrast"),
        ({"data": {"resize": "gpu"}}, "data.resize: Input should be 'loader' or 'device'"),
        (
            {"compile": "max-autotune", "data": {"one_frame": 0.2}},
            "settings: compile: max-autotune records CUDA graphs, which have one shape: remove data.one_frame",
        ),
        (
            {"compile": "reduce-overhead", "data": {"mix": [{"corpus": "a"}]}},
            "settings: compile: reduce-overhead records",
        ),
        (
            {"compile": "reduce-overhead", "contrast_chunks": 2},
            "settings: compile: reduce-overhead records CUDA graphs, whose next run overwrites what contrast_chunks keeps",
        ),
        ({"compile": "reduce-overhead", "accumulate": 2}, "settings: compile: reduce-overhead records"),
        ({"data": {"curriculum": [{"until": 0.5, "frames_per_sentence": 1}]}}, "data: curriculum: until is [0.5]"),
        ({"ema": 1}, "ema: Input should be less than 1"),
        ({"save": {"best": "r1"}}, "settings: save.best needs evaluations: set evaluate.every"),
        ({"evaluate": {"patience": 1}}, "settings: evaluate.patience counts evaluations without a better save.best"),
        ({"optimizer": {"lr": 0}}, "optimizer.lr: Input should be greater than 0"),
        ({"optimizer": {"lr": float("inf")}}, "optimizer.lr: Input should be a finite number"),
        ({"optimizer": {"lr": float("nan")}}, "optimizer.lr: Input should be "),
        ({"optimizer": {"betas": [0.9]}}, "optimizer.betas.1: Field required"),
        ({"optimizer": {"warmup": 1.5}}, "optimizer.warmup: Input should be less than or equal to 1"),
        ({"data": {"crop_area": [1.0, 0.5]}}, "data: crop_area: 1.0 to 0.5 is not a range"),
        ({"data": {"crop_ratio": [0, 1]}}, "data: crop_ratio: 0.0 to 1.0 is not a range"),
        ({"data": {"tokens": 2}}, "data.tokens: Input should be greater than or equal to 3"),
        ({"data": {"flip": 2}}, "data.flip: Input should be less than or equal to 1"),
        ({"output": "gs://bucket/run"}, "output: gs://bucket/run: must be a local folder"),
        ({"save": {"keep": 0}}, "save.keep: Input should be greater than or equal to 1"),
        ({"evaluate": {"every": 0}}, "evaluate.every: Input should be greater than or equal to 1"),
    ],
)
def test_a_mistake_is_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(**changes)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"train.yaml: {said}")


def test_several_mistakes_are_a_line_each() -> None:
    with pytest.raises(ConfigError) as raised:
        parse(steps=0, batch_size="x", optimizer={"foo": 1})
    assert [line.split(":")[1].strip() for line in str(raised.value).splitlines()] == [
        "batch_size",
        "steps",
        "optimizer.foo",
    ]


def test_paths_start_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(LEAST))
    config = load_train_config(str(path))
    assert config.resolve(config.corpus) == str(tmp_path / "out/corpus")
    assert config.resolve("../x") == str(tmp_path.parent / "x") and config.resolve("/a") == "/a"
    assert config.resolve("gs://bucket/corpus") == "gs://bucket/corpus"


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such file. `longtake init"), (b"- a\n", "must hold a mapping"), (b"a: [", "not valid YAML"),
     (b"\xff\xfe\x00", "not valid YAML"), (b"a: !!python/object/apply:os.system [ls]", "not valid YAML"), (b"", "must hold")],
)  # fmt: skip
def test_a_file_that_is_no_configuration(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "train.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"train\.yaml") as raised:
        load_train_config(str(path))
    assert said in str(raised.value)


def test_how_to_compile_is_a_switch_or_a_mode() -> None:
    for given in (False, True, "reduce-overhead", "max-autotune"):
        assert parse(compile=given).compile == given
    with pytest.raises(ConfigError, match="compile: Input should be False, True, 'reduce-overhead' or 'max-autotune'"):
        parse(compile="fastest")
    assert parse(compile="max-autotune").deciding() == parse().deciding()


def test_what_decides_the_steps_leaves_out_what_only_changes_the_speed() -> None:
    first = parse(save={"every": 3}, log_every=2, compile=True, checkpointing=True, data={"workers": 9})
    assert first.deciding() == parse(contrast_chunks=2).deciding() == parse().deciding()
    for changes in ({"seed": 1}, {"steps": 11}, {"accumulate": 2}, {"precision": "fp32"}, {"freeze": ["a"]}, {"ema": 0.9},
                    {"optimizer": {"clip_norm": None}}, {"model": {"stage": 2}}):  # fmt: skip
        assert parse(**changes).deciding() != parse().deciding()


def test_equal_settings_of_two_files_are_equal(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("corpus: c\noutput: o\nsteps: 3\n")
    two.write_text("steps: 3\n\ncorpus: c\noutput: o\n")
    assert load_train_config(str(one)) == load_train_config(str(two))
    assert load_train_config(str(one)) != load_train_config(str(two), ["steps=4"])
    made = load_train_config(str(one)).model_copy(update={"steps": 4})
    assert made == load_train_config(str(two), ["steps=4"]) and made != "steps"
