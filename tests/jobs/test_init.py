"""`longtake init`: the full template shows every setting with its default, the short one what must be set, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.testing import CliRunner

from longtake.jobs.init import CORPUS, init, template, training_template, write_template
from longtake.schemas.config import CorpusConfig, load_config, parse_config
from longtake.schemas.errors import ConfigError
from longtake.schemas.train_config import TrainConfig, load_train_config, parse_train_config

# The settings whose values are examples, not defaults.
EXAMPLES = {
    "corpus": {"name", "output", "source.videos", "source.uri"},
    "train": {"corpus", "output", "steps"},
}
KINDS = [("corpus", CorpusConfig), ("train", TrainConfig)]
FREE = ("split", "video", "text", "losses")  # mappings whose names are the user's


def settings(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Each setting of the configuration and its default."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= settings(field.annotation, f"{prefix}{name}.")
        else:
            found[prefix + name] = field.default
    return found


def shown(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Each setting in the template and its value."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict) and (name not in FREE or prefix == "source."):
            found |= shown(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_the_template_shows_every_setting_with_its_default(name: str, kind: type[BaseModel]) -> None:
    examples = EXAMPLES[name]
    defaults, values = settings(kind), shown(yaml.safe_load(template(name)))
    assert values.keys() == defaults.keys()
    assert {name for name, default in defaults.items() if default is PydanticUndefined} <= examples
    assert {n: v for n, v in values.items() if n not in examples} == {
        n: list(v) if isinstance(v, tuple) else v for n, v in defaults.items() if n not in examples
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_setting_is_explained(name: str) -> None:
    for line in template(name).splitlines():
        text, _, comment = line.partition("#")
        if ":" in text and not text.rstrip().endswith(":"):
            assert len(comment.split()) > 2 or comment.strip() == "likewise (320, 160)", line
        assert len(line) <= 130


def test_a_training_on_a_corpus_is_written_whole(tmp_path: Path) -> None:
    corpus = tmp_path / "a: corpus #1"
    corpus.mkdir()
    with pytest.raises(ConfigError, match=r"no corpus\.json"):
        training_template(str(corpus))
    (corpus / "corpus.json").write_text("{}")
    result = CliRunner().invoke(application(), [str(tmp_path / "mine"), "--train", str(corpus)])
    assert result.exit_code == 0, result.output
    assert "longtake train" in result.output
    config = load_train_config(str(tmp_path / "mine" / "train.yaml"))
    assert (config.corpus, config.resolve(config.output)) == (str(corpus), str(tmp_path / "mine" / "run"))
    least = {"corpus": str(corpus), "output": "run", "steps": config.steps}
    assert config.model_dump() == parse_train_config(least | {"base": config.base}).model_dump()


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_the_short_one_says_the_same_in_ten_lines(name: str, kind: type[BaseModel]) -> None:
    short, full = yaml.safe_load(template(name, full=False)), yaml.safe_load(template(name))
    lines = [line for line in template(name, full=False).splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) <= 10
    assert all(":" in line.partition("#")[0] for line in lines)
    assert shown(short).items() <= shown(full).items()
    assert kind.model_validate(short) == kind.model_validate(full)


@pytest.mark.parametrize("options", [[], ["--full"]])
def test_both_can_be_written_and_loaded(tmp_path: Path, options: list[str]) -> None:
    result = CliRunner().invoke(application(), [str(tmp_path), *options])
    assert result.exit_code == 0, result.output
    written = (tmp_path / "corpus.yaml").read_text()
    assert written == template("corpus", full=bool(options))
    (tmp_path / "videos.jsonl").write_text('{"video_id": "a"}\n')
    assert load_config(str(tmp_path / "corpus.yaml")).name == "my-corpus"


def write_corpus_template(folder: str) -> str:
    return write_template(folder, CORPUS, template("corpus"))


def application() -> typer.Typer:
    app = typer.Typer()
    app.command()(init)
    return app


def test_what_is_written_loads(tmp_path: Path) -> None:
    path = write_corpus_template(str(tmp_path / "new" / "folder"))
    (tmp_path / "new" / "folder" / "videos.jsonl").write_text('{"video_id": "a"}\n')
    config = load_config(path)
    least = {
        "name": config.name,
        "output": config.output,
        "source": {"videos": "videos.jsonl", "uri": config.source.uri},
    }
    assert config.model_dump() == parse_config(least).model_dump()


def test_an_existing_configuration_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "corpus.yaml").write_text("mine")
    with pytest.raises(ConfigError, match="already exists"):
        write_corpus_template(str(tmp_path))
    assert (tmp_path / "corpus.yaml").read_text() == "mine"
    with pytest.raises(ConfigError, match="is a file"):
        write_corpus_template(str(tmp_path / "corpus.yaml"))


def test_the_command_says_what_to_do_next(tmp_path: Path) -> None:
    result = CliRunner().invoke(application(), [str(tmp_path)])
    assert result.exit_code == 0
    assert f"longtake plan {tmp_path}/corpus.yaml" in result.output
