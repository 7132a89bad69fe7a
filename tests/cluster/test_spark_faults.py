"""Parts of Spark that are killed or cut off during a build: the same bytes at the end, or one clear error and then those."""

import time

import artifacts
import hosts
import pytest
from cluster import Cluster
from faults import ended, finish, half_way, kill_workers, loses_its_job_server, same, wait_until_at_work
from sources import SourceSet


@pytest.fixture
def spark(busy: Cluster) -> tuple[str, ...]:
    """Spark on the hosts; what to say after `--`."""
    with artifacts.or_skip():
        return busy.start_spark()


@pytest.mark.parametrize("lost", ["sdk worker", "worker", "master", "host for a minute"])
def test_spark_goes_on_without(lost: str, busy: Cluster, spark: tuple[str, ...], local: SourceSet) -> None:
    _, output, job = half_way(busy, local, *spark)
    if lost == "sdk worker":
        wait_until_at_work(busy.pools["worker2"])  # no host may stand idle
        kill_workers(busy.pools["worker1"])
    elif lost == "worker":
        hosts.kill(busy.spark["worker2"])
    elif lost == "master":
        hosts.kill(busy.spark["runner"])
    else:
        busy["worker2"].cut_off()
        time.sleep(60)
        busy["worker2"].reconnect()
    busy["storage"].slow("1gbit")
    code, said = ended(job, busy["launcher"], 400)
    assert code == 0, said
    same(output, local, busy.folder / "corpus")


def test_a_worker_of_the_only_executor_of_spark_killed(busy: Cluster, local: SourceSet) -> None:
    """There is no other executor for the next try."""
    with artifacts.or_skip():
        options = busy.start_spark("worker1")
    config, output, job = half_way(busy, local, *options)
    kill_workers(busy.pools["worker1"])
    busy["storage"].slow("1gbit")
    code, said = ended(job, busy["launcher"], 400)
    assert code == 1
    assert "A worker process died. Run the same command again" in said
    assert "\tat " not in said
    finish(busy, config, output, local, *options)


def test_spark_job_server_killed(busy: Cluster, spark: tuple[str, ...], local: SourceSet) -> None:
    loses_its_job_server(busy, local, *spark)
