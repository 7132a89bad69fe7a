"""Parts of Flink that are killed or cut off during a build: the same bytes at the end, or one clear error and then those."""

import time

import artifacts
import hosts
import pytest
from cluster import Cluster
from faults import ended, finish, half_way, kill_workers, loses_its_job_server, same
from sources import SourceSet

#: How fast the store sends where Flink keeps jobs in it: each task manager fetches 150 MB of jars from there.
QUICK = "200mbit"


@pytest.fixture
def flink(busy: Cluster) -> tuple[str, ...]:
    """Flink on the hosts; what to say after `--`."""
    with artifacts.or_skip():
        return busy.start_flink()


@pytest.mark.parametrize("lost", ["sdk worker", "task manager", "host for a minute"])
def test_flink_goes_on_without(lost: str, busy: Cluster, flink: tuple[str, ...], local: SourceSet) -> None:
    """It tries again what was lost; a task manager has to come back."""
    _, output, job = half_way(busy, local, *flink)
    if lost == "sdk worker":
        kill_workers(busy.pools["worker1"])
    elif lost == "host for a minute":
        busy["worker2"].cut_off()
        time.sleep(60)
        busy["worker2"].reconnect()
    else:
        hosts.kill(busy.flink["worker2"])
        busy.start_flink_on("worker2")
    busy["storage"].slow("1gbit")
    code, said = ended(job, busy["launcher"], 400)
    assert code == 0, said
    same(output, local, busy.folder / "corpus")


def test_flink_job_manager_killed(busy: Cluster, flink: tuple[str, ...], local: SourceSet) -> None:
    """Without high availability its jobs are gone with it."""
    config, output, job = half_way(busy, local, *flink)
    hosts.kill(busy.flink["runner"])
    busy["storage"].slow("1gbit")
    code, said = ended(job, busy["launcher"], 400)
    assert code == 1
    assert "The cluster does not answer its job server any more" in said
    busy.start_flink_on("runner")
    busy.wait_for_flink()
    finish(busy, config, output, local, *flink)


def test_flink_job_manager_killed_with_high_availability(busy: Cluster, local: SourceSet) -> None:
    """The next job manager finds the job by ZooKeeper and in the store, and begins it again; nobody has to ask."""
    with artifacts.or_skip():
        busy.start_zookeeper()
        options = busy.start_flink()
    hosts.kill(busy.flink["standby"])
    _, output, job = half_way(busy, local, *options, pace=QUICK)
    hosts.kill(busy.flink["runner"])
    busy.start_flink_on("runner")
    busy["storage"].slow("1gbit")
    code, said = ended(job, busy["launcher"], 400)
    assert code == 0, said
    assert "Recovered" in busy["runner"].logs["flink"].read_text()
    same(output, local, busy.folder / "corpus")


@pytest.mark.parametrize("lost", ["killed", "cut off"])
def test_flink_standby_takes_over(lost: str, busy: Cluster, local: SourceSet) -> None:
    """A job manager on another host, with no common disk, finds the job in the store, and the launcher's job server finds it."""
    with artifacts.or_skip():
        busy.start_zookeeper()
        options = busy.start_flink()
    _, output, job = half_way(busy, local, *options, pace=QUICK)
    if lost == "killed":
        hosts.kill(busy.flink["runner"])
    else:
        busy["runner"].cut_off()
    busy["storage"].slow("1gbit")
    code, said = ended(job, busy["launcher"], 400)
    assert code == 0, said
    assert "Recovered" in busy["standby"].logs["flink"].read_text()
    assert busy.flink_overview("standby")["jobs-finished"] == 1
    same(output, local, busy.folder / "corpus")


def test_flink_job_server_killed(busy: Cluster, flink: tuple[str, ...], local: SourceSet) -> None:
    loses_its_job_server(busy, local, *flink)
