"""`longtake init`: the template shows every setting, with the defaults that the configuration really has."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.testing import CliRunner

from longtake.jobs.init import init, template, write_template
from longtake.schemas.config import ConfigError, CorpusConfig, load_config, parse_config

EXAMPLES = {"name", "output", "source.videos", "source.uri"}  # the settings whose values are examples, not defaults


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
        if isinstance(value, dict) and name != "split":
            found |= shown(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def test_the_template_shows_every_setting_with_its_default() -> None:
    defaults, values = settings(CorpusConfig), shown(yaml.safe_load(template()))
    assert values.keys() == defaults.keys()
    assert {name for name, default in defaults.items() if default is PydanticUndefined} <= EXAMPLES
    assert {n: v for n, v in values.items() if n not in EXAMPLES} == {
        n: v for n, v in defaults.items() if n not in EXAMPLES
    }


def test_every_setting_is_explained() -> None:
    for line in template().decode().splitlines():
        text, _, comment = line.partition("#")
        if ":" in text and not text.rstrip().endswith(":"):
            assert len(comment.split()) > 2, line
        assert len(line) <= 130


def test_what_is_written_loads(tmp_path: Path) -> None:
    path = write_template(str(tmp_path / "new" / "folder"))
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
    with pytest.raises(ConfigError, match="is there already"):
        write_template(str(tmp_path))
    assert (tmp_path / "corpus.yaml").read_text() == "mine"
    with pytest.raises(ConfigError, match="is a file"):
        write_template(str(tmp_path / "corpus.yaml"))


def test_the_command_says_what_to_do_next(tmp_path: Path) -> None:
    import typer

    app = typer.Typer()
    app.command()(init)
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert result.exit_code == 0
    assert f"longtake plan {tmp_path}/corpus.yaml" in result.output
