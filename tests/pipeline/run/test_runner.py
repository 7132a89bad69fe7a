import os
import signal
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    JobServerOptions,
    PortableOptions,
    StandardOptions,
)
from apache_beam.transforms import userstate
from apache_beam.transforms.core import CallableWrapperDoFn
from worker_pools import worker_pool

from longtake.pipeline.run import beam_lookups, runner
from longtake.pipeline.run.runner import cores, is_local, pipeline_options, slots_per_process
from longtake.pipeline.run.slots import Slots, close_shared_slots, shared_slots
from longtake.schemas.errors import ConfigError


@pytest.mark.parametrize("slots", [1, 3, 64])
def test_without_a_runner_it_is_ours_with_one_thread_however_many_slots_there_are(slots: int) -> None:
    for arguments in ([], ["--runner=DirectRunner"]):
        options = pipeline_options(arguments, slots)
        assert is_local(options)
        assert options.view_as(DirectOptions).direct_running_mode == "in_memory"
        assert options.view_as(DirectOptions).direct_num_workers == 1


def test_threads_of_beam_that_are_asked_for_are_threads() -> None:
    options = pipeline_options(["--direct_num_workers=4"], 3)
    assert options.view_as(DirectOptions).direct_running_mode == "multi_threading"
    assert options.view_as(DirectOptions).direct_num_workers == 4


def test_what_is_asked_for_is_kept() -> None:
    options = pipeline_options(["--direct_running_mode=in_memory", "--direct_num_workers=1"], 3)
    assert options.view_as(DirectOptions).direct_running_mode == "in_memory"
    assert options.view_as(DirectOptions).direct_num_workers == 1
    other = pipeline_options(["--runner=FlinkRunner"], 3)
    assert other.view_as(StandardOptions).runner == "FlinkRunner"
    assert not is_local(other)


@pytest.mark.parametrize("name", ["DaskRunner", "dask", "apache_beam.runners.dask.dask_runner.DaskRunner"])
def test_a_runner_that_loses_data_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="DaskRunner loses outputs"):
        pipeline_options([f"--runner={name}"], 1)


def test_elements_come_through_whole() -> None:
    """Beam's own threads flush buffers by time and cut elements in two (LocalRunner says more)."""
    from apache_beam.testing.util import assert_that, equal_to

    with beam.Pipeline(options=pipeline_options(["--direct_num_workers=4"], 2)) as root:
        sizes = (
            root
            | beam.Create(range(200))
            | beam.Map(lambda n: (n % 7, "x" * (n * 50)))
            | beam.GroupByKey()
            | beam.Map(lambda pair: (pair[0], sum(map(len, pair[1]))))
        )
        assert_that(sizes, equal_to([(k, sum(n * 50 for n in range(k, 200, 7))) for k in range(7)]))


@pytest.mark.parametrize(
    "options",
    [
        ["--runner=FlinkRunner", "--flink_master=localhost:8081", "--parallelism=2"],
        ["--runner=SparkRunner", "--spark_master_url=spark://master:7077", "--parallelism=2"],
        ["--runner=PortableRunner", "--job_endpoint=localhost:8099"],
    ],
)
def test_workers_without_longtake_are_refused(options: list[str]) -> None:
    with pytest.raises(ConfigError, match="Beam's own image for workers has no longtake"):
        pipeline_options(options, 1)
    pipeline_options([*options, "--environment_type=EXTERNAL", "--environment_config=localhost:50000"], 1)
    pipeline_options([*options, "--environment_type=DOCKER", "--environment_config=mine/longtake:1"], 1)


def test_clusters_inside_the_job_server_have_workers_of_their_own() -> None:
    for options in (["--runner=FlinkRunner", "--flink_master=[local]"], ["--runner=SparkRunner"]):
        pipeline_options(options, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--environment_type=EXTERNAL"], "say where the workers are"),
        (["--environment_type=LOOPBACK"], "starts its workers itself; remove the option, or use EXTERNAL"),
    ],
)
def test_environments_that_cannot_work_are_refused(options: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pipeline_options(options, 1)


DATAFLOW = [
    *("--runner=DataflowRunner", "--project=p", "--region=r", "--temp_location=gs://bucket/tmp"),
    "--sdk_container_image=gcr.io/p/longtake:1",
]
POOL = ["--environment_type=EXTERNAL", "--environment_config=localhost:50000"]
FLINK = ["--runner=FlinkRunner", "--flink_master=localhost:8081", "--parallelism=2", *POOL]
SPARK = ["--runner=SparkRunner", "--spark_master_url=spark://localhost:7077", *POOL]


def test_spark_is_told_how_many_tasks_it_may_run_at_once() -> None:
    def of_spark(*more: str) -> object:
        return pipeline_options([*SPARK, *more], 1).view_as(JobServerOptions).job_server_jvm_properties

    own = "--job_server_jvm_properties=-Dspark.default.parallelism=9"
    exclude = "-Dspark.excludeOnFailure"
    elsewhere = [f"{exclude}.enabled=true", f"{exclude}.task.maxTaskAttemptsPerExecutor=2"]
    assert of_spark("--parallelism=4") == [*elsewhere, "-Dspark.default.parallelism=4"]
    assert of_spark(own) == of_spark(own, "--parallelism=4") == ["-Dspark.default.parallelism=9", *elsewhere]
    with pytest.raises(
        ConfigError, match=r"SparkRunner would run two tasks at once, .* give --parallelism=N, three times"
    ):
        of_spark()
    for served in ("--job_endpoint=localhost:8099", "--spark_submit_uber_jar"):  # nobody could tell it
        assert of_spark(served) == []
        with pytest.raises(ConfigError, match=r"give Spark spark\.default\.parallelism=4 there, and remove the option"):
            of_spark(served, "--parallelism=4")
    pipeline_options(
        ["--runner=SparkRunner", "--spark_master_url=local[2]"], 1
    )  # inside the job server it knows the cores
    pipeline_options(
        ["--runner=SparkRunner", "--spark_master_url=yarn", *POOL], 1
    )  # and here it waits for its executors


@pytest.mark.parametrize("where", ["--flink_master=localhost:8081", "--job_endpoint=localhost:8099"])
def test_flink_is_told_too(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flink = ["--runner=FlinkRunner", where, *POOL]
    monkeypatch.delenv("FLINK_CONF_DIR", raising=False)
    with pytest.raises(
        ConfigError, match=r"FlinkRunner would run one task at once, .* give --parallelism=N, the slots"
    ):
        pipeline_options(flink, 1)
    pipeline_options([*flink, "--parallelism", "2"], 1)
    pipeline_options(["--runner=FlinkRunner", "--flink_master=[local]"], 1)
    monkeypatch.setenv("FLINK_CONF_DIR", str(tmp_path))
    for text, told in [
        ("rest.port: 8081\n", False),
        ("a: 1\nparallelism.default: 8\n", True),
        ("parallelism:\n  default: 8\n", True),
    ]:
        (tmp_path / "config.yaml").write_text(text)
        with nullcontext() if told else pytest.raises(ConfigError, match="one task at once"):
            pipeline_options(flink, 1)


def test_job_servers_keep_workers_unless_the_user_says_otherwise() -> None:
    def kept(options: list[str]) -> object:
        return pipeline_options(options, 1).view_as(PortableOptions).environment_cache_millis

    assert kept(FLINK) == kept(["--runner=SparkRunner", *POOL]) == 600_000
    assert "disable_logging_submission_environment" in pipeline_options(FLINK, 1).view_as(DebugOptions).experiments
    assert kept(["--runner=PortableRunner", "--job_endpoint=localhost:1", *POOL]) == 600_000
    assert kept([*FLINK, "--environment_cache_millis=5"]) == "5"
    assert kept([]) == kept(POOL) == 0


@pytest.mark.parametrize(
    ("options", "slots"),
    [
        ([], cores()),
        (["--direct_running_mode=multi_processing", "--direct_num_workers=2"], 1),
        (POOL, 1),
        (DATAFLOW, 1),  # it starts a process for each core
        ([*DATAFLOW, "--experiments=no_use_multiple_sdk_containers"], 0),  # and now one for all
        (FLINK, 0),
        ([*FLINK, "--sdk_worker_parallelism=4"], 1),
    ],
)
def test_as_many_decoders_as_cores_wherever_the_processes_are(options: list[str], slots: int) -> None:
    assert slots_per_process(pipeline_options(options, 0), 0) == slots
    assert slots_per_process(pipeline_options(options, 3), 3) == 3


def test_progress_is_shown_only_of_work_in_this_process() -> None:
    assert is_local(pipeline_options([], 1))
    for elsewhere in (["--direct_running_mode=multi_processing"], POOL, FLINK, DATAFLOW):
        assert not is_local(pipeline_options(elsewhere, 1))


def test_no_number_of_slots_means_all_cores_of_the_machine_they_are_on() -> None:
    slots: Slots = shared_slots(0)
    try:
        assert slots.size == cores()
        assert shared_slots(cores()) is slots
    finally:
        close_shared_slots()


@pytest.mark.parametrize(
    ("quota", "found"),
    [("max 100000", cores()), ("100000 100000", 1), ("50000 100000", 1), ("99900000 100000", cores()), ("?", cores())],
)
def test_cores_are_those_that_may_be_used(tmp_path: Path, quota: str, found: int) -> None:
    """A container with a quota of CPU time sees all cores of its machine, and would be throttled with a decoder for each."""
    (tmp_path / "cpu.max").write_text(quota)
    assert cores(str(tmp_path / "cpu.max")) == found >= 1
    assert cores(str(tmp_path / "absent")) >= found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--machin_type=n2-highmem-64"],
            r"--machin_type: Apache Beam has no such option\. Did you mean --machine_type\?",
        ),
        ([*DATAFLOW, "--max_num_worker", "9"], r"--max_num_worker: .* Did you mean --max_num_workers\?"),
        ([*FLINK, "--environment_tipe=LOOPBACK"], r"--environment_tipe: .* Did you mean --environment_type\?"),
        (["--frobnicate"], r"--frobnicate: Apache Beam has no such option\.$"),
        (["direct_num_workers=3"], r"'direct_num_workers=3' belongs to no option"),
        (["--direct_num_workers=three"], r"--direct_num_workers: invalid int value: 'three'"),
    ],
)
def test_options_that_nobody_knows_are_refused(options: list[str], message: str) -> None:
    """Beam passes over them; on a cluster that costs money."""
    with pytest.raises(ConfigError, match=message):
        pipeline_options(options, 1)


def test_options_of_a_job_server_are_its_own() -> None:
    pipeline_options([*FLINK, "--checkpointing_interval", "1000"], 1)


class Counting(beam.DoFn):
    SEEN = userstate.CombiningValueStateSpec("seen", sum)

    def process(self, element: Any, seen: Any = beam.DoFn.StateParam(SEEN)) -> None:  # type: ignore[override]  # noqa: B008
        seen.add(1)


def test_the_state_of_a_step_is_found_in_its_class_and_in_methods_that_it_holds() -> None:
    steps = (Counting(), CallableWrapperDoFn(len), CallableWrapperDoFn(Counting().process), CallableWrapperDoFn(len))
    for _ in range(2):  # the second time from the cache
        assert [beam_lookups._specs(step) for step in steps] == [
            ({Counting.SEEN}, set()), (set(), set()), ({Counting.SEEN}, set()), (set(), set()),
        ]  # fmt: skip


@pytest.mark.exhaustive  # waits a minute
def test_a_worker_that_falls_silent_ends_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a host loses its power: the connection stays, and nobody answers."""

    def stop(path: str) -> None:  # the worker cannot import this module
        import os
        import signal
        from pathlib import Path

        Path(path).write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)

    monkeypatch.setattr(runner, "_ASK_MS", 1000)
    monkeypatch.setattr(runner, "_ANSWER_MS", 8000)
    silent = tmp_path / "pid"
    with worker_pool(tmp_path / "pool.log") as pool:
        options = pipeline_options(["--environment_type=EXTERNAL", f"--environment_config={pool}"], 1)
        try:
            with pytest.raises(RuntimeError, match=runner.WORKER_DIED), beam.Pipeline(options=options) as root:
                _ = root | beam.Create([str(silent)]) | beam.Map(stop)
        finally:
            os.kill(int(silent.read_text()), signal.SIGKILL)
