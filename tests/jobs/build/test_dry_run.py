"""The request for Dataflow, made offline from a corpus in a storage emulator: steps, machines, images, sizes, and no secrets."""

import base64
import bz2
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dataflow_api import schema_faults
from rich.console import Console
from sources import ONE_THREAD, REPOSITORY, Video, longtake_here, source_set, spoken
from worker_pools import free_port

pytest.importorskip("apache_beam.runners.dataflow.internal.apiclient")

import apache_beam as beam
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.transforms.periodicsequence import PeriodicImpulse

from longtake.jobs.build.build import building_job
from longtake.jobs.build.dry_run import (
    MAX_STEP_BYTES,
    JobRequest,
    job_request,
    print_request,
    request_build,
    request_plan,
)
from longtake.jobs.build.plan import current_plan, make_plan
from longtake.jobs.build.request import BuildRequest, ProbeMode
from longtake.pipeline.run.runner import pipeline_options
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig, load_config, parse_config
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout

IMAGE = "us-docker.pkg.dev/project/images/longtake:1"
DATAFLOW = [
    "--runner=DataflowRunner",
    "--project=test",
    "--region=us-central1",
    "--temp_location=gs://corpora/tmp",
    f"--sdk_container_image={IMAGE}",
]
SECRET = "an-aws-secret-nobody-may-see"  # noqa: S105


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """gs://corpora in an emulator on the loopback interface, with the sources of a small corpus."""
    server = pytest.importorskip("gcp_storage_emulator.server")
    port = free_port()
    emulator = server.create_server("localhost", port, in_memory=True, default_bucket="corpora")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{port}")
        gcsfs = pytest.importorskip("gcsfs")
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        gcsfs.GCSFileSystem.clear_instance_cache()
        emulator.start()
        try:
            folder = tmp_path_factory.mktemp("sources")
            source_set(folder, [Video("v1", spoken(6)), Video("v2", spoken(6))], coherence={"enabled": True})
            files = gcsfs.GCSFileSystem(token="anon")  # noqa: S106
            for path in (p for p in folder.rglob("*") if p.is_file()):
                files.pipe_file(f"corpora/small/{path.relative_to(folder)}", path.read_bytes())
            yield "gs://corpora/small/corpus.yaml"
        finally:
            emulator.stop()
            gcsfs.GCSFileSystem.clear_instance_cache()


@pytest.fixture(scope="module")
def planned(bucket: str) -> CorpusConfig:
    """The configuration of a corpus whose plan has been made, by the local runner, in the bucket."""
    config = load_config(bucket)
    make_plan(BuildRequest(config, ProbeMode.NONE, 1, ONE_THREAD), Console(file=io.StringIO()))
    return config


@pytest.fixture(scope="module")
def build_request(planned: CorpusConfig) -> JobRequest:
    return request_build(BuildRequest(planned, beam_args=DATAFLOW))


def test_the_build_asks_for_the_machines_of_its_steps(build_request: JobRequest) -> None:
    assert build_request.faults() == []
    assert build_request.environment_of("Decode").hints == {"cpu_count": "4", "min_ram_bytes": "16000000000"}
    assert build_request.environment_of("Pack").hints == {}
    assert build_request.environment_of("Seal").hints == {}
    images = {image["containerImage"] for image in build_request.pool["sdkHarnessContainerImages"]}
    assert images == {IMAGE} == {environment.image for environment in build_request.environments}
    assert all(one["useSingleCorePerContainer"] for one in build_request.pool["sdkHarnessContainerImages"])
    steps = {step.split("/")[0] for step in build_request.step_bytes}
    assert {"Plan parts", "Tasks", "Decode", "Ledger", "Check failures", "Pack", "Seal"} <= steps


def test_the_job_has_our_defaults(build_request: JobRequest) -> None:
    pool, environment = build_request.pool, build_request.job["environment"]
    assert build_request.job["type"] == "JOB_TYPE_BATCH"
    assert pool["machineType"] == "e2-standard-4"
    assert pool["diskSizeGb"] == 100
    assert pool["autoscalingSettings"] == {"algorithm": "AUTOSCALING_ALGORITHM_BASIC", "maxNumWorkers": 50}
    assert {"use_runner_v2", "use_multiple_sdk_containers", "shuffle_mode=service"} <= set(environment["experiments"])
    assert build_request.options["save_main_session"] is False
    assert build_request.options["temp_location"].startswith("gs://corpora/tmp/")  # and no bucket of Beam's choosing


def test_the_request_is_what_the_api_publishes(planned: CorpusConfig, bucket: str, build_request: JobRequest) -> None:
    accelerator = "--embed_accelerator=type:nvidia-l4;count:1;install-nvidia-driver"
    plan_request = request_plan(BuildRequest(load_config(bucket), beam_args=[*DATAFLOW, accelerator]))
    for request in (build_request, plan_request):
        assert schema_faults(request.job, "Job") == []
    job = json.loads(json.dumps(build_request.job))  # and the schema sees what is wrong
    job["environment"]["workerPools"][0] |= {"diskSizeGB": 1, "numWorkers": "many"}
    job["type"] = "JOB_TYPE_FAST"
    assert len(schema_faults(job, "Job")) == 3


def test_what_the_user_says_goes_before_the_defaults(planned: CorpusConfig) -> None:
    said = [
        "--machine_type=n2-highmem-8",
        "--disk_size_gb=300",
        "--max_num_workers=7",
        "--autoscaling_algorithm=NONE",
        "--num_workers=7",
        "--experiments=shuffle_mode=appliance",
        "--decode_min_ram=64GB",
        "--decode_cpu_count=8",
        "--service_account_email=longtake@test.iam.gserviceaccount.com",
    ]
    request = request_build(BuildRequest(planned, beam_args=[*DATAFLOW, *said]))
    assert request.faults() == []
    pool = request.pool
    assert (pool["machineType"], pool["diskSizeGb"], pool["numWorkers"]) == ("n2-highmem-8", 300, 7)
    assert pool["autoscalingSettings"] == {"algorithm": "AUTOSCALING_ALGORITHM_NONE", "maxNumWorkers": 7}
    assert "shuffle_mode=service" not in request.job["environment"]["experiments"]
    assert request.environment_of("Decode").hints == {"cpu_count": "8", "min_ram_bytes": "64000000000"}


def test_the_accelerator_is_for_the_step_that_embeds(bucket: str) -> None:
    config = load_config(bucket)
    accelerator = "type:nvidia-l4;count:1;install-nvidia-driver"
    request = request_plan(BuildRequest(config, beam_args=[*DATAFLOW, f"--embed_accelerator={accelerator}"]))
    assert request.faults() == []
    assert request.environment_of("Embed texts/Embed").hints == {"accelerator": accelerator}
    assert request.environment_of("Plan video").hints == {}
    plain = request_plan(BuildRequest(config, beam_args=DATAFLOW))
    assert {json.dumps(dict(e.hints)) for e in plain.environments} == {"{}"}


def test_neither_request_nor_graph_holds_a_secret(planned: CorpusConfig) -> None:
    summary = current_plan(planned)
    assert summary is not None
    graph, options = building_job(BuildRequest(planned, beam_args=DATAFLOW), summary)
    request = job_request(graph, options)
    pipeline = beam.Pipeline(options=pipeline_options([], 1))
    graph(pipeline)
    functions = list(functions_of(pipeline.to_runner_api()))
    assert any(b"corpora/small" in function for function in functions)  # so what must not be there could be seen
    for data in (json.dumps(request.job).encode(), *functions):
        assert SECRET.encode() not in data


def functions_of(graph: Any) -> Iterator[bytes]:
    """What the steps of a graph carry along, as pickled; Beam packs it."""
    for transform in graph.components.transforms.values():
        if transform.spec.urn == common_urns.primitives.PAR_DO.urn:
            packed = beam_runner_api_pb2.ParDoPayload.FromString(transform.spec.payload).do_fn.payload
            yield bz2.decompress(base64.b64decode(packed))


def test_a_large_plan_does_not_make_a_large_graph(planned: CorpusConfig, build_request: JobRequest) -> None:
    """4096 parts, the most there can be (80 million long clips and more), stay far below what Dataflow takes."""
    layout = Layout(planned.root)
    part = storage.read_bytes(storage.list_files(layout.plan, ".parquet")[0])
    names = [f"{layout.plan}/part-{n:05d}.parquet" for n in range(1, 200)]
    try:
        for name in names:
            storage.write_bytes(name, part)
        request = request_build(BuildRequest(planned, beam_args=DATAFLOW))
    finally:
        for name in names:
            storage.delete(name)
    per_part = (request.graph_bytes - build_request.graph_bytes) / len(names)
    assert 4096 * per_part < 1 << 20
    assert request.request_bytes - build_request.request_bytes < 100
    assert request.faults() == []


def test_data_in_the_graph_is_a_fault() -> None:
    data = os.urandom(MAX_STEP_BYTES + 1)
    request = job_request(
        lambda root: root | "Small" >> beam.Create([1]) | "Holds data" >> beam.Map(lambda n: (n, data)),
        pipeline_options(DATAFLOW, 0),
    )
    (fault,) = request.faults()
    assert fault.startswith("step Holds data: carries 1.")
    with pytest.raises(CorpusError, match="Holds data"):
        print_request(request, Console(file=io.StringIO()))


def test_an_endless_collection_is_a_fault() -> None:
    request = job_request(lambda root: root | PeriodicImpulse(), pipeline_options(DATAFLOW, 0))
    assert any("JOB_TYPE_STREAMING" in fault for fault in request.faults())


@pytest.mark.parametrize(
    ("without", "added", "message"),
    [
        ("--project", "", "--project: name the Google Cloud project"),
        ("--region", "", "--region: name the region"),
        ("--temp_location", "", "--temp_location: must be a folder on Cloud Storage"),
        ("--temp_location", "--temp_location=/tmp/x", "--temp_location: must be a folder on Cloud Storage"),
        ("--temp_location", "--temp_location=gs://a/x", "--temp_location: must be a folder on Cloud Storage"),
        ("--sdk_container_image", "", "the workers need longtake"),
        ("--sdk_container_image", "--sdk_container_image=longtake", "must name registry, image and tag"),
        ("--sdk_container_image", "--setup_file=./setup.py", "--requirements_file"),
        ("", "--decode_min_ram=lots", "--decode_min_ram=lots: must be a size"),
        ("", "--decode_cpu_count=0", "--decode_cpu_count=0: must be a number"),
        ("", "--embed_accelerator=a big one", "--embed_accelerator=a big one: must be as in"),
        ("", f"--s3_secret_access_key={SECRET}", "--s3_secret_access_key: a secret must not be part of a job"),
        ("", f"--my_api_token={SECRET}", "--my_api_token: Apache Beam has no such option"),
    ],
)
def test_options_that_cannot_work_are_refused(without: str, added: str, message: str) -> None:
    options = [o for o in DATAFLOW if not without or not o.startswith(f"{without}=")] + [o for o in [added] if o]
    with pytest.raises(ConfigError, match=message) as refused:
        pipeline_options(options, 0)
    assert SECRET not in str(refused.value)


def test_files_of_this_machine_are_refused(tmp_path: Path) -> None:
    sources = source_set(tmp_path, [Video("v1", spoken(6))], "hdvila")
    with pytest.raises(ConfigError) as refused:
        request_plan(BuildRequest(load_config(str(sources.config)), ProbeMode.NONE, beam_args=DATAFLOW))
    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["output", "source.videos", "source.uri", "source.text.path"]
    assert "gs://" in lines[0]


def test_a_folder_is_listed_by_a_worker_and_no_step_carries_its_names(bucket: str) -> None:
    folder = storage.join(storage.parent(bucket), "videos")
    for number in range(40):
        storage.write_bytes(storage.join(folder, f"{number:03d}.mp4"), b"")
    folder_alone = {"folder": "videos"}
    text = {"format": "auto", "path": "videos/{video_id}*"}
    templates = {"videos": "videos.jsonl", "uri": "videos/{video_id}.{ext}", "text": text}
    for source, listing in ((folder_alone, "List videos"), (templates, "List files")):
        config = parse_config({"name": "t", "output": "out2", "base": storage.parent(bucket), "source": source})
        request = request_plan(BuildRequest(config, ProbeMode.NONE, beam_args=DATAFLOW))
        assert request.faults() == []
        sizes = [size for step, size in request.step_bytes.items() if step.startswith((listing, "Folder"))]
        assert len(sizes) >= 2
        assert max(sizes) < 5_000


def test_a_folder_of_this_machine_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    source = {"folder": ".", "text": {"format": "vtt", "path": ["gs://b/{video_id}*", "subs/{video_id}*"]}}
    config = parse_config({"name": "t", "output": "gs://b/out", "base": str(tmp_path), "source": source})
    with pytest.raises(ConfigError) as refused:
        request_plan(BuildRequest(config, ProbeMode.NONE, beam_args=DATAFLOW))
    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["source.folder", "source.text.path"]


def test_the_command_prints_it_and_sends_nothing(planned: CorpusConfig, bucket: str) -> None:
    done = longtake_here("build", bucket, "--dry-run", "--", *DATAFLOW)
    assert done.returncode == 0, done.stderr
    assert "of project test in us-central1: not sent." in done.stdout
    assert "min_ram_bytes 16000000000" in done.stdout
    assert "No fault was found in the request." in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["plan", "{bucket}", "--dry-run"], 2, "--dry-run works only for Dataflow"),
        (["build", "{bucket}", "--dry-run", "--overwrite", "--", *DATAFLOW], 2, "remove --plan and --overwrite"),
        (["plan", "{bucket}", "--no-wait"], 2, "the local runner ends with this process"),
        (["build", "{bucket}", "--no-wait"], 2, "the local runner ends with this process"),
    ],
)
def test_what_makes_no_sense_is_refused(bucket: str, arguments: list[str], code: int, message: str) -> None:
    done = longtake_here(*(a.format(bucket=bucket) for a in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr


def test_without_a_plan_the_build_is_not_the_next_job(tmp_path: Path, bucket: str) -> None:
    config = load_config(bucket).model_copy(update={"output": "gs://corpora/elsewhere"})
    with pytest.raises(CorpusError, match="so the next job is to make one"):
        request_build(BuildRequest(config, beam_args=DATAFLOW))


#: Runs a script with credentials that ask nothing of the network. Without any, Beam looks for some four more times in 25 s.
LAUNCH = """
import runpy, sys
import google.auth
from google.auth.credentials import AnonymousCredentials
google.auth.default = lambda **_: (AnonymousCredentials(), "test")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
def test_the_launcher_of_the_template_stages_the_job_and_returns(bucket: str) -> None:
    """As Dataflow runs it: with `--template_location`, the request is written there for the service, and nobody waits."""
    place = ["--job_name=longtake-plan", "--staging_location=gs://corpora/staging", *DATAFLOW[1:]]
    command = [
        "--command=plan",
        f"--config={bucket}",
        "--probe=header",
        "--template_location=gs://corpora/launch/job.json",
    ]
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, str(REPOSITORY / "docker" / "launch.py"), *command, *place],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Launched. The plan is complete once this file exists: gs://corpora/small/out/plan/_plan.json" in done.stdout
    job = json.loads(storage.read_bytes("gs://corpora/launch/job.json"))
    (pool,) = job["environment"]["workerPools"]
    assert pool["workerHarnessContainerImage"] == IMAGE
    staged = job["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]
    assert staged.startswith("gs://corpora/staging/longtake-plan.")
    graph = beam_runner_api_pb2.Pipeline.FromString(storage.read_bytes(staged))
    assert "Plan video" in {t.unique_name.split("/")[0] for t in graph.components.transforms.values()}
