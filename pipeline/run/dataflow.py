"""Jobs on Dataflow: the options that they need, defaults for the rest, and what single steps ask of their machines."""

import re
from collections.abc import Mapping
from typing import Any

from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)

from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError

#: Dataflow starts one SDK process for each core of a machine, and each runs one decoder: four decoders of 4 GB each.
_MACHINE = "e2-standard-4"
_DECODE_RAM, _DECODE_CPUS = "16GB", "4"
#: Bounds the cost of a job; autoscaling stays below it.
_MAX_WORKERS = 50
#: Holds copies of the few source videos that are being decoded, and shards before their upload.
_DISK_GB = 100
_SHUFFLE = "shuffle_mode=service"
#: The patterns that options must match; the template's metadata holds the same ones.
RAM = re.compile(r"[1-9][0-9]{0,3}(GB|GiB)")
CPUS = re.compile(r"[1-9][0-9]{0,2}")
ACCELERATOR = re.compile(r"type:[a-z0-9-]+;count:[1-9][0-9]?(;[a-z0-9_-]+(:[A-Za-z0-9_.-]+)?)*")
IMAGE = re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9_.-]+|@sha256:[0-9a-f]{64})")
#: A folder on Cloud Storage. If the bucket's name were invalid, Beam would make a bucket of its own choice.
FOLDER = re.compile(r"gs://[a-z0-9][-_a-z0-9.]{1,61}[a-z0-9](/.*)?")
_SECRET = re.compile(r"secret|password|token|access_key|credential", re.IGNORECASE)


class StepOptions(PipelineOptions):
    """Options that single steps ask of their machines. Only Dataflow obeys them; other runners have machines of one kind."""

    @classmethod
    def _add_argparse_args(cls, parser: Any) -> None:
        parser.add_argument(
            "--decode_min_ram", default=_DECODE_RAM, help="Memory of a machine that decodes, as in 16GB."
        )
        parser.add_argument("--decode_cpu_count", default=_DECODE_CPUS, help="Cores of a machine that decodes.")
        parser.add_argument(
            "--embed_accelerator",
            default=None,
            help="Accelerator of a machine that embeds sentences, as in type:nvidia-l4;count:1;install-nvidia-driver.",
        )
        parser.add_argument(
            "--speech_accelerator",
            default=None,
            help="Accelerator of a machine that recognises speech, as in type:nvidia-l4;count:1;install-nvidia-driver.",
        )


def is_dataflow(options: PipelineOptions) -> bool:
    """Whether the job runs on Dataflow."""
    runner = options.view_as(StandardOptions).runner or ""
    return bool(runner.rsplit(".", 1)[-1].lower() in ("dataflowrunner", "dataflow"))


def decode_hints(options: PipelineOptions) -> dict[str, str]:
    """Resource hints of the step that decodes. Empty on other runners, where they would only cost a process."""
    steps = options.view_as(StepOptions)
    return {"min_ram": steps.decode_min_ram, "cpu_count": steps.decode_cpu_count} if is_dataflow(options) else {}


def embed_hints(options: PipelineOptions) -> dict[str, str]:
    """Resource hints of the step that embeds sentences. Empty without an accelerator."""
    accelerator = options.view_as(StepOptions).embed_accelerator
    return {"accelerator": accelerator} if accelerator and is_dataflow(options) else {}


def speech_hints(options: PipelineOptions) -> dict[str, str]:
    """Resource hints of the step that recognises speech: its accelerator, or else those of decoders. Empty on other runners."""
    if not is_dataflow(options):
        return {}
    accelerator = options.view_as(StepOptions).speech_accelerator
    return {"accelerator": accelerator} if accelerator else decode_hints(options)


def prepare(options: PipelineOptions) -> None:
    """Check the options of a Dataflow job, and fill in defaults. Raises ConfigError with a line for each fault."""
    if faults := list(_faults(options)):
        raise ConfigError("\n".join(faults))
    worker, debug = options.view_as(WorkerOptions), options.view_as(DebugOptions)
    worker.machine_type = worker.machine_type or _MACHINE
    worker.autoscaling_algorithm = worker.autoscaling_algorithm or "THROUGHPUT_BASED"
    worker.max_num_workers = worker.max_num_workers or max(_MAX_WORKERS, worker.num_workers or 0)
    worker.disk_size_gb = worker.disk_size_gb or _DISK_GB
    if debug.lookup_experiment("shuffle_mode") is None:
        debug.add_experiment(_SHUFFLE)
    options.view_as(SetupOptions).save_main_session = False  # Longtake keeps nothing in __main__


def _faults(options: PipelineOptions) -> Any:
    cloud, steps = options.view_as(GoogleCloudOptions), options.view_as(StepOptions)
    if not cloud.project:
        yield "--project: name the Google Cloud project that runs the job"
    if not cloud.region:
        yield "--region: name the region of the job and of its buckets, as in us-central1"
    for name, place in (("temp_location", cloud.temp_location), ("staging_location", cloud.staging_location)):
        if (name == "temp_location" or place) and not FOLDER.fullmatch(str(place or "")):
            yield f"--{name}: must be a folder on Cloud Storage, as in gs://bucket/tmp, not {place!r}"
    setup = options.view_as(SetupOptions)
    image = options.view_as(WorkerOptions).sdk_container_image
    if image and not IMAGE.fullmatch(image):
        yield f"--sdk_container_image={image}: must name registry, image and tag, as in us-docker.pkg.dev/mine/images/longtake:1"
    if not image and not setup.setup_file:
        yield (
            "the workers need longtake: give --sdk_container_image=IMAGE (docker/Dockerfile makes it), "
            "or --setup_file=./setup.py --requirements_file=docker/worker-requirements.txt"
        )
    if setup.setup_file and not setup.requirements_file:
        yield "--setup_file brings longtake alone; --requirements_file=docker/worker-requirements.txt brings what it needs"
    if not RAM.fullmatch(steps.decode_min_ram):
        yield f"--decode_min_ram={steps.decode_min_ram}: must be a size, as in 16GB"
    if not CPUS.fullmatch(steps.decode_cpu_count):
        yield f"--decode_cpu_count={steps.decode_cpu_count}: must be a number of cores"
    for name in ("embed_accelerator", "speech_accelerator"):
        if (accelerator := getattr(steps, name)) is not None and not ACCELERATOR.fullmatch(accelerator):
            yield f"--{name}={accelerator}: must be as in type:nvidia-l4;count:1;install-nvidia-driver"
    for name, value in options.get_all_options(drop_default=True, retain_unknown_options=True).items():
        if value and isinstance(value, str) and _SECRET.search(name):
            yield f"--{name}: a secret must not be part of a job; give access to the workers' service account instead"


def console_url(options: PipelineOptions, job_id: str) -> str:
    """The web page of a job in the Google Cloud console."""
    cloud = options.view_as(GoogleCloudOptions)
    return f"https://console.cloud.google.com/dataflow/jobs/{cloud.region}/{job_id}?project={cloud.project}"


def check_paths(config: CorpusConfig, more: Mapping[str, str | None]) -> None:
    """Raise ConfigError with a line for each path of `config`, and of `more` by setting, that workers on other machines without
    a shared disk cannot reach."""
    source = config.source
    # Records name files; relative paths start at the configuration's folder.
    uris = source.uris or (() if source.folder else ("{video_id}",))
    named = [
        ("output", config.output),
        ("source.videos", source.videos),
        ("source.folder", source.folder),
        *(("source.uri", one) for one in uris),
        *(("source.text.path", one) for one in source.text.paths),
        ("source.groups", source.groups),
        ("source.chapters", None if source.chapters == "meta" else source.chapters),
        ("filters.profanity", config.filters.profanity),
        *more.items(),
        *((f"duplicates.evaluation {one.name}", one.path) for one in config.duplicates.evaluation),
    ]
    found = [(name, config.resolve(path)) for name, path in named if path]
    local = [(name, path) for name, path in found if not storage.is_remote(path)]
    if local:
        raise ConfigError(
            "\n".join(
                f"{name}: {path} is on this machine, where workers of Dataflow cannot read it; "
                "use gs:// or s3://, or put the configuration there"
                for name, path in local
            )
        )
