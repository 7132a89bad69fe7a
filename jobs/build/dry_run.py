"""`--dry-run`: make, check and print the request that would start a job on Dataflow. Nothing is sent.

A job needs two things: the request, which holds the options and the machines, and the graph, which the request points at. The
runner makes both as usual; it skips only the staging of files and the call itself.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, TestOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.utils import proto_utils
from rich.console import Console
from rich.table import Table

from longtake.jobs.build.build import building_job
from longtake.jobs.build.plan import current_plan, planning_job
from longtake.jobs.build.request import BuildRequest
from longtake.jobs.build.speech_cost import print_speech_cost
from longtake.pipeline.run.dataflow import is_dataflow
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.extras import missing_extra
from longtake.schemas.wording import human_bytes

#: Dataflow refuses a request above 10 MB. The graph is staged as a file and may be larger; ours has no reason to be.
MAX_BYTES = 10 << 20
#: Most bytes in a step: its function and the configuration. More than that is data, which belongs in a collection.
MAX_STEP_BYTES = 1 << 20
_DOCKER = common_urns.environments.DOCKER.urn
_SHORT = re.compile(r"beam:resources:(.+):v1")


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment of some steps: the image of their workers, hints for their machines, and files that are installed first."""

    image: str
    hints: Mapping[str, str]
    files: tuple[str, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A request for Dataflow's `projects.locations.jobs.create`, and the parts of the graph that it points at."""

    job: Mapping[str, Any]
    graph_bytes: int
    environments: tuple[Environment, ...]
    step_bytes: Mapping[str, int]  # bytes in each step, by its full name

    @property
    def request_bytes(self) -> int:
        return len(json.dumps(self.job).encode())

    @property
    def pool(self) -> Mapping[str, Any]:
        """The machines."""
        return dict(self.job["environment"]["workerPools"][0])

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that the workers get."""
        return dict(self.job["environment"]["sdkPipelineOptions"]["options"])

    def environment_of(self, step: str) -> Environment:
        """Return the environment of a step."""
        return next(e for e in self.environments if any(s == step or s.startswith(f"{step}/") for s in e.steps))

    def faults(self) -> list[str]:
        """Return why Dataflow would refuse the job, or why the job would fail there; one line each."""
        found = []
        if self.job["type"] != "JOB_TYPE_BATCH":
            found.append(f"the job is {self.job['type']}, because the graph has an endless collection")
        for name, size in (("request", self.request_bytes), ("graph", self.graph_bytes)):
            if size > MAX_BYTES:
                found.append(f"the {name} has {human_bytes(size)}; Dataflow takes {human_bytes(MAX_BYTES)}")
        for step, size in self.step_bytes.items():
            if size > MAX_STEP_BYTES:
                found.append(
                    f"step {step}: carries {human_bytes(size)} of data; at most {human_bytes(MAX_STEP_BYTES)} is allowed"
                )
        for environment in self.environments:
            if not environment.image:
                found.append(f"{', '.join(environment.steps[:3])}: no image to run in")
        return found


def print_plan_request(request: BuildRequest, console: Console) -> None:
    """Print the request of the job that plans, if it would run on Dataflow, and the cost of speech recognition, if the plan needs
    it. Raises ConfigError if neither is so, CorpusError if the request has faults."""
    hears = request.config.source.text.hears
    if not hears or is_dataflow(request.options()):
        print_request(request_plan(request), console)
    if hears:
        print_speech_cost(request, console)


def request_plan(request: BuildRequest) -> JobRequest:
    """Make the request of the job that plans. Raises ConfigError."""
    _check_runner(request)
    return job_request(*planning_job(request))


def request_build(request: BuildRequest) -> JobRequest:
    """Make the request of the job that builds the plan in the output. Raises ConfigError, or CorpusError if there is no plan."""
    _check_runner(request)
    summary = current_plan(request.config, despite_failures=True, rejects=request.rejects)
    if summary is None:
        raise CorpusError(
            f"{request.layout.plan}: no plan for this configuration, so the next job is to make one. Check that job with: "
            "longtake plan --dry-run"
        )
    return job_request(*building_job(request, summary))


def _check_runner(request: BuildRequest) -> None:
    if not is_dataflow(request.options()):
        raise ConfigError(
            "--dry-run works only for Dataflow, and for planning with speech recognition; add -- --runner=DataflowRunner and its "
            "options"
        )


def job_request(graph: Callable[[Any], None], options: PipelineOptions) -> JobRequest:
    """Make the request for the job with this graph. Raises MissingExtraError without [gcp]."""
    try:
        from apache_beam.runners.dataflow.internal import apiclient
    except ImportError as error:
        raise missing_extra("Dataflow", error.name or "apache-beam[gcp]", "gcp") from None
    options.view_as(TestOptions).dry_run = True
    pipeline = beam.Pipeline(options=options)
    graph(pipeline)
    job = pipeline.run().job
    staging = options.view_as(GoogleCloudOptions).staging_location
    files = sorted({name for one in job.proto_pipeline.components.environments.values() for name in _files(one)})
    job.proto.environment = apiclient.Environment(
        packages=files,
        options=job.options,
        environment_version=apiclient._FNAPI_ENVIRONMENT_MAJOR_VERSION,
        proto_pipeline_staged_url=f"{staging}/pipeline.pb",
        proto_pipeline=job.proto_pipeline,
    ).proto
    components = job.proto_pipeline.components
    return JobRequest(
        job=json.loads(job.json()),
        graph_bytes=job.proto_pipeline.ByteSize(),
        environments=tuple(_environments(components)),
        step_bytes={t.unique_name: len(t.spec.payload) for t in components.transforms.values() if not t.subtransforms},
    )


def _environments(components: Any) -> list[Environment]:
    steps: dict[str, list[str]] = {}
    for transform in components.transforms.values():
        if transform.environment_id and not transform.subtransforms:
            steps.setdefault(transform.environment_id, []).append(transform.unique_name)
    return [_environment(components.environments[key], sorted(names)) for key, names in sorted(steps.items())]


def _environment(proto: Any, steps: list[str]) -> Environment:
    image = ""
    if proto.urn == _DOCKER:
        image = proto_utils.parse_Bytes(proto.payload, beam_runner_api_pb2.DockerPayload).container_image
    hints = {_SHORT.sub(r"\1", urn): value.decode() for urn, value in sorted(proto.resource_hints.items())}
    return Environment(image, hints, tuple(_files(proto)), tuple(steps))


def _files(proto: Any) -> list[str]:
    """Return the names of the files that are staged for workers."""
    payload = beam_runner_api_pb2.ArtifactStagingToRolePayload
    return [payload.FromString(dependency.role_payload).staged_name for dependency in proto.dependencies]


def print_request(request: JobRequest, console: Console) -> None:
    """Print the request. Raises CorpusError if it has faults."""
    options, pool = request.options, request.pool
    console.print(
        f"Job {request.job['name']} of project {options['project']} in {options['region']}: not sent.", highlight=False
    )
    machines = Table(title="Machines", title_justify="left", show_header=False)
    scaling = pool["autoscalingSettings"]
    for name, value in (
        ("type", pool.get("machineType", "Dataflow's choice")),
        ("number", f"at most {scaling['maxNumWorkers']}, {options['autoscaling_algorithm'].lower().replace('_', ' ')}"),
        ("disk", f"{pool['diskSizeGb']} GB"),
        ("experiments", ", ".join(request.job["environment"].get("experiments", []))),
        ("temporary files", options["temp_location"]),
    ):
        machines.add_row(name, value)
    console.print(machines)
    table = Table(title="Steps", title_justify="left")
    for heading in ("image", "asks for", "installs", "steps"):
        table.add_column(heading)
    for environment in request.environments:
        tops = Counter(step.split("/")[0] for step in environment.steps)
        hints = ", ".join(f"{name} {value}" for name, value in environment.hints.items()) or "nothing special"
        shown = ", ".join(tops) if len(tops) < 8 else f"{', '.join(list(tops)[:7])} and {len(tops) - 7} more"
        table.add_row(environment.image, hints, str(len(environment.files)), shown)
    console.print(table)
    largest = max(request.step_bytes, key=lambda step: request.step_bytes[step])
    console.print(
        f"Request {human_bytes(request.request_bytes)}, graph {human_bytes(request.graph_bytes)} in {len(request.step_bytes)} "
        f"steps; the largest, {largest}, carries {human_bytes(request.step_bytes[largest])}.",
        highlight=False,
        markup=False,
    )
    if faults := request.faults():
        raise CorpusError("\n".join(faults))
    console.print("No fault was found in the request.")
