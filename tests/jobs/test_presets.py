"""`longtake init --preset`: the paper's values, fitted to GPUs and corpus, with each difference said."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from longtake.jobs.init import init, preset_template, template
from longtake.jobs.presets.fitting import USABLE, division, fit
from longtake.jobs.presets.page import page
from longtake.jobs.presets.registry import PRESETS
from longtake.schemas.errors import ConfigError
from longtake.schemas.manifest import CorpusManifest
from longtake.schemas.train_config import load_train_config

REPOSITORY = Path(__file__).resolve().parents[2]


STAGES = [name for name in PRESETS if name.startswith("lfvila-")]
FOR_GPUS = [name for name in PRESETS if name != "tiny"]
TASKS = [name for name in FOR_GPUS if name not in STAGES]


def corpus(folder: Path, per_sentence: int = 8, uniform: int | None = None, **samples: int) -> str:
    """A corpus.json, which is all that a preset reads of a corpus."""
    folder.mkdir(parents=True)
    count = {"in": 1, "kept": 1, "dropped": 0}
    shards = [
        {"name": f"{split}-000000.tar", "split": split, "samples": number, "frames": 1, "bytes": 1, "sha256": "0" * 64}
        for split, number in samples.items()
    ]
    config = {"frames": {"per_sentence": per_sentence, **({"uniform": uniform} if uniform else {})}}
    whole = {
        "format": 1,
        "name": "c",
        "versions": {},
        "config": config,
        "fingerprint": "0",
        "shards": shards,
        "splits": {},
    }
    (folder / "corpus.json").write_text(json.dumps(whole | {"counts": {"videos": count}}))
    return str(folder)


def manifest(**samples: int) -> CorpusManifest:
    shards = [
        {"name": f"{split}-0", "split": split, "samples": n, "frames": 1, "bytes": 1, "sha256": "0"}
        for split, n in samples.items()
    ]
    frames = {"per_sentence": 32, "uniform": 32}  # of whole videos; the stages of pre-training take them too
    whole = {"format": 1, "name": "c", "versions": {}, "config": {"frames": frames}, "fingerprint": "0"}
    return CorpusManifest.model_validate({**whole, "counts": {}, "shards": shards})


@pytest.mark.parametrize("name", FOR_GPUS)
@pytest.mark.parametrize(("gpus", "memory"), [(1, 24), (1, 80), (3, 40), (8, 80), (32, 32), (64, 141)])
def test_the_global_batch_is_kept_and_fits_into_each_gpu(name: str, gpus: int, memory: float) -> None:
    preset = PRESETS[name]
    if preset.batch < 2 * gpus:
        with pytest.raises(ConfigError, match="too few for a batch of 2 on each"):
            fit(preset, manifest(train=10**6, val=10**4), gpus, memory)
        return
    fitted = fit(preset, manifest(train=10**6, val=10**4), gpus, memory)
    settings = fitted.settings
    step = settings["batch_size"] * settings["accumulate"] * gpus
    assert preset.batch - step < gpus * settings["accumulate"]  # less than one sample on each is lost
    assert (step == preset.batch) or any(f"A step has {step} samples" in text for text in fitted.differs)
    footprint = preset.footprint
    assert footprint is not None
    each = footprint.sample_checkpointed if settings["checkpointing"] else footprint.sample
    chunks = settings.get("contrast_chunks", 1)
    assert settings["batch_size"] % chunks == 0
    needed = footprint.fixed + settings["batch_size"] * footprint.frames + settings["batch_size"] // chunks * each
    assert needed <= 1.01 * USABLE * memory * 1e9
    said = " ".join(fitted.differs)
    assert (chunks > 1) == ("contrast_chunks: " in said) and not (preset.contrasts and settings["accumulate"] > 1)
    assert settings["checkpointing"] == ("checkpointing: " in said)
    assert (settings["accumulate"] > 1) == ("accumulate: " in said)


def test_more_gpus_leave_less_to_differ() -> None:
    few, many = (fit(PRESETS["lfvila-stage1"], manifest(train=10**6, val=9), gpus, 80).settings for gpus in (1, 64))
    assert many["batch_size"] == 8 and many["accumulate"] == 1 and not many["checkpointing"]
    assert few["batch_size"] == 512 and few["contrast_chunks"] > 8


@pytest.mark.parametrize(
    ("share", "most", "parts"), [(512, 512, 1), (512, 100, 8), (170, 60, 5), (7, 5, 2), (64, 33, 2), (9, 2, 4)]
)
def test_parts_are_even_where_they_can_be(share: int, most: int, parts: int) -> None:
    found, each = division(share, most)
    assert found == parts and each <= most and share - found * each < 2


@pytest.mark.parametrize("name", STAGES)
def test_the_file_trains_as_the_paper_says(name: str, tmp_path: Path) -> None:
    source = corpus(tmp_path / "a: corpus #1", train=100_000, val=500)
    result = CliRunner().invoke(
        application(), [str(tmp_path / "mine"), "--train", source, "--preset", name, "--gpus", "8", "--memory", "80"]
    )
    assert result.exit_code == 0, result.output
    path = tmp_path / "mine" / "train.yaml"
    config = load_train_config(str(path))
    optimizer = config.optimizer
    assert (optimizer.lr, optimizer.betas, optimizer.eps, optimizer.weight_decay) == (5e-5, (0.9, 0.98), 1e-8, 0.05)
    assert (optimizer.warmup, optimizer.final, optimizer.clip_norm, config.epochs) == (0.1, 0.01, None, 10)
    assert (config.model.size, config.model.stage, config.seed) == ("base", 1 if name.endswith("1") else 2, 42)
    assert (config.data.sentences, config.data.frames_per_sentence, config.data.tokens) == (4, 8, 50)
    assert (config.corpus, config.output) == (source, "run")
    text = path.read_text()
    differs = [line.removeprefix("differs: ") for line in result.output.splitlines() if line.startswith("differs: ")]
    flat = " ".join(text.replace("\n#  ", "").split())
    assert differs and all(" ".join(one.split()) in flat for one in differs)
    lines = text.splitlines()
    for before, line in pairwise(lines):
        assert len(line) <= 130 or line.startswith("corpus: ")
        if ":" in line.partition("#")[0] and not line.rstrip().endswith(":"):
            assert "#" in line or before.strip().startswith("#"), line


#: By the released configurations: kind, classes, rows, tokens, epochs, of these warm-up, decay, batch of a GPU, schedule.
RELEASED = {
    "retrieval-activitynet": ("retrieval", None, 4, 50, 20, 1, 0.05, 16, ("step", 5, 0.25)),
    "retrieval-didemo": ("retrieval", None, 4, 50, 20, 1, 0.05, 16, ("step", 5, 0.25)),
    "retrieval-queryd": ("retrieval", None, 4, 50, 20, 1, 0.05, 16, ("step", 5, 0.25)),
    "retrieval-condensedmovies": ("retrieval", None, 1, 50, 20, 1, 0.05, 16, ("step", 1, 0.5)),
    "how2qa": ("choice", None, 8, 50, 30, 10, 0.05, 4, ("linear", None, None)),
    "violin": ("answer", 2, 5, 30, 100, 10, 0.1, 12, ("linear", None, None)),
    "activitynetqa": ("answer", 1654, 1, 50, 100, 10, 0.1, 16, ("cosine", None, None)),
    "coin": ("classify", 180, 1, 50, 500, 1, 0.05, 16, ("linear", None, None)),
    "lvu-relationship": ("classify", 4, 1, 50, 500, 1, 0.05, 16, ("linear", None, None)),
    "lvu-speaking": ("classify", 5, 1, 50, 500, 1, 0.05, 16, ("linear", None, None)),
    "lvu-scene": ("classify", 6, 1, 50, 500, 1, 0.05, 16, ("linear", None, None)),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_trains_as_the_released_configuration_says(name: str, tmp_path: Path) -> None:
    kind, classes, rows, tokens, epochs, warmup, decay, batch, (schedule, every, factor) = RELEASED[name]
    source = corpus(tmp_path / "c", 32, 32, train=100_000, test=500)
    text, differs = preset_template(name, source, 8, 141)
    (tmp_path / "train.yaml").write_text(text)
    config = load_train_config(str(tmp_path / "train.yaml"))
    task, optimizer = config.task, config.optimizer
    assert (task.kind, task.classes, task.text_rows, task.frames, config.data.tokens) == (
        kind,
        classes,
        rows,
        32,
        tokens,
    )
    assert config.batch_size * config.accumulate == batch and config.epochs == epochs
    assert optimizer.warmup == pytest.approx(warmup / epochs, abs=1e-4) and optimizer.weight_decay == decay
    assert (optimizer.lr, optimizer.betas, optimizer.eps, optimizer.schedule) == (5e-5, (0.9, 0.98), 1e-8, schedule)
    if every is not None:
        assert (optimizer.step_epochs, optimizer.step_factor) == (every, factor)
    assert config.model.size == "base" and config.evaluate.split == "test" and config.save.best is not None
    assert config.init.weights == f"../stage{2 if kind in ('choice', 'answer') else 1}/run"
    assert any("8 GPUs are assumed" in one for one in differs)


def test_a_task_wants_a_corpus_of_whole_videos(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"build it with frames\.uniform"):
        preset_template("how2qa", corpus(tmp_path / "c", train=500), 8, 80)
    text, differs = preset_template("how2qa", corpus(tmp_path / "d", 32, 32, train=500), 8, 80)
    assert "best:" not in text and any("`longtake merge` adds that" in one for one in differs)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "lfvila-stage3"}, "--preset lfvila-stage3: no such preset. Did you mean lfvila-stage"),
        ({"memory_gb": float("nan")}, "--memory nan: name the memory"),
        ({"gpus": 12}, "--gpus 12: torchrun starts as many processes on each machine; name a multiple of 8"),
        ({"memory_gb": 4}, r"--memory 4: lfvila-stage1 needs \d+ GB on each GPU"),
        ({"gpus": 300}, "--gpus 300: 512 samples of a step are too few for a batch of 2 on each; name at most 256"),
        ({"samples": {"val": 3}}, "the corpus has no split 'train' to train on; it has val"),
        ({"samples": {"train": 1}}, "--gpus 1: 1 sample of a step are too few"),
    ],
)
def test_what_cannot_be_fitted_is_refused(arguments: dict[str, Any], said: str, tmp_path: Path) -> None:
    source = corpus(tmp_path / "c", **arguments.pop("samples", {"train": 10_000}))
    with pytest.raises(ConfigError, match=said):
        preset_template(**{"name": "lfvila-stage1", "corpus": source, "gpus": 1, "memory_gb": 80, **arguments})


def test_what_the_corpus_lacks_is_said(tmp_path: Path) -> None:
    source = corpus(tmp_path / "c", per_sentence=6, train=300)
    text, differs = preset_template("lfvila-stage1", source, 8, 80)
    settings = yaml.safe_load(text)
    assert settings["data"]["frames_per_sentence"] == 6 and settings["evaluate"]["every"] is None
    assert settings["batch_size"] * settings["accumulate"] * 8 == 296
    for part in (
        "6 frames of each sentence, not 8",
        "no split val",
        "at most 300 samples",
        "296 samples, not 300",
    ):
        assert any(part in one for one in differs), part


def test_tiny_is_for_a_computer_without_a_gpu(tmp_path: Path) -> None:
    source = corpus(tmp_path / "c", per_sentence=8, train=10, val=4)
    arguments = [str(tmp_path / "mine"), "--train", source, "--preset", "tiny"]
    result = CliRunner().invoke(application(), arguments)
    assert result.exit_code == 0, result.output
    assert "note: No weights to start from" in result.output and "differs" not in result.output
    config = load_train_config(str(tmp_path / "mine" / "train.yaml"))
    assert (config.model.size, config.batch_size, config.accumulate, config.data.workers) == ("tiny", 10, 1, "auto")
    assert config.data.frames_per_sentence == 8 and config.save.best is not None
    result = CliRunner().invoke(application(), [*arguments, "--gpus", "2"])
    assert isinstance(result.exception, ConfigError) and "leave --gpus out" in str(result.exception)


@pytest.mark.parametrize("more", [["--full"], ["--recipe", "panda70m"], []])
def test_a_preset_is_a_configuration_of_its_own(more: list[str], tmp_path: Path) -> None:
    train = ["--train", str(tmp_path)] if more else []
    result = CliRunner().invoke(application(), [str(tmp_path), "--preset", "lfvila-stage1", *train, *more])
    assert isinstance(result.exception, ConfigError) and "--preset needs --train CORPUS" in str(result.exception)


def test_a_setting_that_the_template_lacks_is_noticed() -> None:
    with pytest.raises(LookupError, match="speed"):
        page((), template("train"), {"optimizer": {"lr": 1.0, "speed": 3}})


@pytest.mark.parametrize("name", FOR_GPUS)
def test_the_footprints_are_those_that_were_counted(name: str) -> None:
    counted = json.loads((REPOSITORY / "benchmarks" / "results" / "memory.json").read_text())
    settings = PRESETS[name].settings
    job = settings["task"]["kind"] if "task" in settings else f"stage{settings['model']['stage']}"
    job = "statements" if name == "violin" else job
    row, footprint = counted[f"{settings['model']['size']}-{job}"], PRESETS[name].footprint
    assert footprint is not None
    assert footprint.fixed >= 4 * row["weights"] + 12 * row["trained"] + row["fixed"]
    assert footprint.sample >= row["sample"] and footprint.sample_checkpointed >= row["sample_checkpointed"]
    assert footprint.fixed + footprint.sample < 1.2 * (
        4 * row["weights"] + 12 * row["trained"] + row["fixed"] + row["sample"]
    )


def application() -> typer.Typer:
    app = typer.Typer()
    app.command()(init)
    return app
