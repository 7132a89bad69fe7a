"""The template: what its metadata lets through is what `longtake` takes, and what it refuses is refused here as well."""

import json
import re
from collections.abc import Mapping
from typing import Any

import click
import pytest
import typer
from dataflow_api import schema_faults
from sources import REPOSITORY

from longtake.jobs import cli
from longtake.jobs.build import commands as build_commands
from longtake.jobs.flex_template import check, command_line, parameters
from longtake.pipeline.run.runner import pipeline_options
from longtake.schemas.errors import ConfigError

METADATA: dict[str, Any] = json.loads((REPOSITORY / "docker" / "flex-template.json").read_text())
IMAGE = "us-docker.pkg.dev/project/images/longtake:1"
NEEDED = {"command": "plan", "config": "gs://corpora/mine/corpus.yaml", "sdk_container_image": IMAGE}
PLACE = ["--project=p", "--region=us-central1", "--temp_location=gs://corpora/tmp"]
GOOD = {
    "command": ["plan", "build"],
    "config": ["gs://corpora/c.yaml", "gs://a-b.c_d1/x y/é.yml"],
    "sdk_container_image": [IMAGE, "gcr.io/p/longtake:v1.2", "localhost:5000/longtake@sha256:" + "0a" * 32],
    "probe": ["none", "header", "packets"],
    "workers": ["0", "4", "16"],
    "decode_min_ram": ["4GB", "16GiB"],
    "decode_cpu_count": ["1", "96"],
    "embed_accelerator": ["type:nvidia-l4;count:1;install-nvidia-driver", "type:nvidia-tesla-t4;count:4"],
}
BAD = {
    "command": ["", "takedown", "plan build", "plan\n", "--help"],
    "config": [
        "corpus.yaml",
        "gs://c.yaml",
        "gs://x/c.yaml",
        "gs://corpora/c.json",
        "gs://corpora/*.yaml",
        "s3://b/c.yaml",
    ],
    "sdk_container_image": ["", "longtake", "gcr.io/p/longtake", "gcr.io/p/longtake:1 --project=other", "UP.io/x:1"],
    "probe": ["", "Header", "all"],
    "workers": ["-1", "", "two", "1000", "4.5"],
    "decode_min_ram": ["16", "lots", "0GB", "16gb", "99999GB"],
    "decode_cpu_count": ["0", "-1", "1.5", "1000"],
    "embed_accelerator": ["nvidia-l4", "type:nvidia-l4", "type:nvidia-l4;count:0", "type:x;count:1;a b"],
}


def test_the_metadata_is_what_the_api_publishes() -> None:
    assert schema_faults(METADATA, "TemplateMetadata") == []
    assert schema_faults({"parameters": [{"paramType": "TEXTS", "regex": "."}]}, "TemplateMetadata") != []


def allowed_by_metadata(given: Mapping[str, str]) -> bool:
    """What Dataflow does before it launches."""
    known = {parameter["name"]: parameter for parameter in METADATA["parameters"]}
    if any(not parameter["isOptional"] and name not in given for name, parameter in known.items()):
        return False
    return all(all(re.fullmatch(one, value) for one in known[name]["regexes"]) for name, value in given.items())


def taken_by_longtake(given: Mapping[str, str]) -> bool:
    """Whether command, options and runner take the values, without the launcher's own check."""
    try:
        options = [f"--{n}={v}" for n, v in given.items() if n in ("probe", "workers") and given["command"] == "plan"]
        command: Any = typer.main.get_command(cli.app)
        sub = command.get_command(click.Context(command), given["command"])
        if sub is None or given["command"] not in ("plan", "build"):
            return False
        with sub.make_context(given["command"], [given["config"], *options]) as context:
            build_commands._probe_mode(context.params["probe"])
        beam = [f"--{n}={v}" for n, v in given.items() if n not in ("command", "config", "probe", "workers")]
        pipeline_options(["--runner=DataflowRunner", *PLACE, *beam], 0)
    except (ConfigError, click.exceptions.ClickException):
        return False
    return True


def test_each_parameter_has_values_here() -> None:
    assert set(GOOD) == set(BAD) == {parameter["name"] for parameter in METADATA["parameters"]}
    assert all(
        parameter["regexes"] and parameter["helpText"] and parameter["label"] for parameter in METADATA["parameters"]
    )


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_what_is_allowed_is_taken(name: str, value: str) -> None:
    given = NEEDED | {name: value}
    assert allowed_by_metadata(given)
    check(given)
    assert taken_by_longtake(given)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_what_is_not_allowed_is_refused_everywhere(name: str, value: str) -> None:
    given = NEEDED | {name: value}
    assert not allowed_by_metadata(given)
    with pytest.raises(ConfigError, match=rf"^{name}: "):
        check(given)
    if name not in ("config", "workers"):  # which the command line takes on more machines than Dataflow's
        assert not taken_by_longtake(given)


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_required_is_missed(name: str) -> None:
    given = {key: value for key, value in NEEDED.items() if key != name}
    assert not allowed_by_metadata(given)
    with pytest.raises(ConfigError, match=rf"^{name}: is required"):
        check(given)


def test_parameters_are_options_of_the_commands_or_of_the_runner() -> None:
    command: Any = typer.main.get_command(cli.app)
    plan = {o for p in command.get_command(click.Context(command), "plan").params for o in p.opts}
    known = set(pipeline_options([], 1).get_all_options())
    for parameter in parameters():
        if parameter.beam:
            assert parameter.name in known
        elif parameter.name not in ("command", "config"):
            assert f"--{parameter.name}" in plan


def test_the_launcher_makes_the_command() -> None:
    place = [f"--{n}={v}" for n, v in NEEDED.items()] + [
        "--probe=packets",
        "--workers=2",
        "--decode_min_ram=8GB",
        *PLACE,
    ]
    assert command_line(place) == [
        *("plan", "gs://corpora/mine/corpus.yaml", "--probe=packets", "--workers=2", "--no-wait", "--"),
        *(*PLACE, f"--sdk_container_image={IMAGE}", "--decode_min_ram=8GB", "--runner=DataflowRunner"),
    ]
    place[0] = "--command=build"
    assert "--probe=packets" not in command_line(place)
