"""The Dataflow Flex Template: its parameters, each with a pattern, and the launcher that turns them into a `longtake` command.

A template starts one job and its launcher must not wait for it. So `plan` and `build` are two launches of one template.
docker/flex-template.json is `metadata()`, written by `python -m longtake.jobs.flex_template --metadata`; a test compares them.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from longtake.schemas.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: an option of `longtake` or, with `beam`, of the runner. `pattern` must match the whole value."""

    name: str
    label: str
    help: str
    pattern: str
    required: bool = False
    beam: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "label": self.label,
            "helpText": self.help,
            "regexes": [f"^{self.pattern}$"],
            "isOptional": not self.required,
        }


def parameters() -> tuple[Parameter, ...]:
    """Return all parameters, in the order of the form."""
    from longtake.pipeline.run.dataflow import ACCELERATOR, CPUS, FOLDER, IMAGE, RAM

    bucket = FOLDER.pattern.removesuffix("(/.*)?")
    return (
        Parameter("command", "Command", "plan first; build once that job has ended.", "(plan|build)", required=True),
        Parameter(
            "config",
            "Configuration",
            "The corpus.yaml, on Cloud Storage; relative paths in it start from its folder.",
            rf"{bucket}/[^*?#\r\n]+\.ya?ml",
            required=True,
        ),
        Parameter(
            "sdk_container_image",
            "Image of the workers",
            "An image made by docker/Dockerfile, with its tag or digest. The launcher must have the same versions.",
            IMAGE.pattern,
            required=True,
            beam=True,
        ),
        Parameter(
            "probe",
            "Probe",
            "For plan: how to probe the source videos: none, header or packets.",
            "(none|header|packets)",
        ),
        Parameter(
            "workers", "Decoders", "Decoder processes of each worker process; 0: one for each core.", "[0-9]{1,3}"
        ),
        Parameter("decode_min_ram", "Memory to decode", "Of each machine, as in 16GB.", RAM.pattern, beam=True),
        Parameter("decode_cpu_count", "Cores to decode", "Of each machine, as in 4.", CPUS.pattern, beam=True),
        Parameter(
            "embed_accelerator",
            "Accelerator to embed",
            "For coherence on GPUs, as in type:nvidia-l4;count:1;install-nvidia-driver.",
            ACCELERATOR.pattern,
            beam=True,
        ),
        Parameter(
            "speech_accelerator",
            "Accelerator to recognise speech",
            "For source.text.device: cuda, as in type:nvidia-l4;count:1;install-nvidia-driver.",
            ACCELERATOR.pattern,
            beam=True,
        ),
    )


def metadata() -> dict[str, Any]:
    """Return the template's metadata for `gcloud dataflow flex-template build --metadata-file`."""
    return {
        "name": "Longtake",
        "description": "Long clips with paragraph captions, from source videos and their timestamped speech.",
        "parameters": [parameter.to_json() for parameter in parameters()],
    }


def command_line(arguments: Sequence[str]) -> list[str]:
    """Turn the launcher's arguments, each `--name=value`, into arguments of `longtake`. All but parameters go to the runner.

    Raises ConfigError with a line for each parameter that is missing or does not match its pattern.
    """
    known = {parameter.name: parameter for parameter in parameters()}
    given: dict[str, str] = {}
    beam = []
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        if name in known:
            given[name] = value
        else:
            beam.append(argument)
    check(given)
    ours = [
        f"--{name}={value}"
        for name, value in given.items()
        if not known[name].beam and name not in ("command", "config")
    ]
    beam += [f"--{name}={value}" for name, value in given.items() if known[name].beam]
    if given["command"] == "build":
        ours = [option for option in ours if not option.startswith("--probe=")]  # the plan has been made
    if not any(argument.startswith("--runner=") for argument in beam):
        beam.append("--runner=DataflowRunner")
    return [given["command"], given["config"], *ours, "--no-wait", "--", *beam]


def check(given: Mapping[str, str]) -> None:
    """Raise ConfigError if the metadata does not allow the values of parameters."""
    faults = []
    for parameter in parameters():
        value = given.get(parameter.name)
        if value is None:
            if parameter.required:
                faults.append(f"{parameter.name}: is required. {parameter.help}")
        elif not re.fullmatch(parameter.pattern, value):
            faults.append(f"{parameter.name}: {value!r} is not allowed. {parameter.help}")
    if faults:
        raise ConfigError("\n".join(faults))


def main() -> None:
    """Print the metadata if `--metadata` asks for it; else launch. Exits as `longtake` does."""
    from longtake.jobs import cli

    if sys.argv[1:] == ["--metadata"]:
        print(json.dumps(metadata(), indent=2))
        return
    try:
        sys.argv = ["longtake", *command_line(sys.argv[1:])]
    except ConfigError as error:
        sys.exit(f"longtake: {error}")
    cli.main()


if __name__ == "__main__":
    main()
