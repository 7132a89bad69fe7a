"""Hosts, servers and stores that fail during a build: the same bytes at the end, or one clear error and then the same bytes."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import artifacts
import hosts
import object_stores
import pytest
from cluster import ON_PRISM, S3, STORE, TWO_HOSTS, Cluster, cluster, lay_out_set, reached, skip_without_hosts
from sources import LAST_MAN, MAMMALS, SourceSet, Video, build, ledger, published, source_set, spoken

from longtake.schemas import storage
from longtake.schemas.layout import LEASE_S

VIDEOS = [Video(f"v{i}", spoken(6, 700 * i), (MAMMALS, LAST_MAN)[i % 2]) for i in range(12)]
SETTINGS = {"frames": {"short_side": 32, "per_sentence": 2}, "shards": {"samples": 4}}
#: How fast the store sends, so that a build lasts long enough for something to happen to it.
SLOW = "6mbit"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    sources = source_set(tmp_path_factory.mktemp("local"), VIDEOS, "hdvila", **SETTINGS)
    build(sources)
    return sources


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Cluster]:
    """New hosts with an S3 server and a pool of workers on each of two."""
    skip_without_hosts()
    with cluster(tmp_path / "hosts") as found:
        found.start_s3()
        for name in ("worker1", "worker2"):
            found.start_pool(name)
        found.start_front("worker1", "worker2")
        with reached(S3, found["storage"].address):
            yield found


def lay_out(local: SourceSet) -> tuple[str, str]:
    """The sources and their plan in a new bucket: the URIs of the configuration and the output."""
    root = lay_out_set(local.folder)
    return storage.join(root, "corpus.yaml"), storage.join(root, "out")


def same(output: str, local: SourceSet, folder: Path) -> None:
    corpus = object_stores.download(output, folder)
    assert published(corpus) == published(local.output)
    assert ledger(corpus) == ledger(local.output)


def ended(
    process: subprocess.Popen[bytes], host: hosts.Host, seconds: float = 240, log: str = "longtake"
) -> tuple[int, str]:
    """How a command ended, and what it printed."""
    code = process.wait(seconds)
    said = host.logs[log].read_text()
    assert "Traceback" not in said, said
    return code, said


def workers(pool: subprocess.Popen[bytes]) -> list[int]:
    """The SDK workers that a pool has started and that run."""
    return [pid for pid in hosts.children(pool) if b"SdkHarness" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def half_way(busy: Cluster, local: SourceSet, *beam: str) -> tuple[str, str, subprocess.Popen[bytes]]:
    """A build on the launcher that has decoded something and has more to do: its configuration, its output and its process."""
    config, output = lay_out(local)
    assert busy.longtake("plan", config, "--probe=none").returncode == 0
    busy["storage"].slow(SLOW)
    job = busy.begin("build", config, "--probe=none", "--workers=1", "--", *beam)
    busy.wait_for_file(output, "staging/??/*.json", job)
    return config, output, job


def finish(busy: Cluster, config: str, output: str, local: SourceSet, *beam: str) -> None:
    """Run the build again, as its message says; it reuses what was done, and gives the bytes of the local runner."""
    busy["storage"].slow("1gbit")
    done = busy.longtake("build", config, "--probe=none", "--workers=1", "--", *beam)
    assert done.returncode == 0, done.stderr
    same(output, local, busy.folder / "corpus")


def kill_workers(pool: subprocess.Popen[bytes]) -> None:
    """SIGKILL the SDK workers that a pool has started."""
    found = workers(pool)
    assert found
    for pid in found:
        os.kill(pid, 9)


@contextmanager
def frozen(busy: Cluster) -> Iterator[None]:
    """While the block runs, the workers do nothing, so that the build does not end before what is to happen to it."""
    found = [pid for pool in busy.pools.values() for pid in hosts.children(pool)]
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in found:
            os.kill(pid, signal.SIGCONT)


def test_sdk_worker_killed(busy: Cluster, local: SourceSet) -> None:
    config, output, job = half_way(busy, local, *TWO_HOSTS)
    kill_workers(busy.pools["worker1"])
    code, said = ended(job, busy["launcher"])
    assert code == 1
    assert "A worker process died. Run the same command again: it goes on where it was." in said
    finish(busy, config, output, local, *TWO_HOSTS)


def test_worker_host_cut_off_for_a_minute(busy: Cluster, local: SourceSet) -> None:
    """Beam's workers (2.77) give up after a minute without an answer, so both ends are right: it goes on, or it says so."""
    config, output, job = half_way(busy, local, *TWO_HOSTS)
    busy["worker2"].cut_off()
    time.sleep(60)
    busy["worker2"].reconnect()
    busy["storage"].slow("1gbit")
    code, said = ended(job, busy["launcher"], 400)
    assert code == 0 or "A worker process died. Run the same command again: it goes on where it was." in said, said
    finish(busy, config, output, local, *TWO_HOSTS)


def test_worker_host_gone_for_good(busy: Cluster, local: SourceSet) -> None:
    config, output, job = half_way(busy, local, *TWO_HOSTS)
    busy["worker2"].cut_off()
    code, said = ended(job, busy["launcher"], 400)
    assert code == 1
    assert "A worker process died. Run the same command again: it goes on where it was." in said
    hosts.kill(busy.pools["worker2"])
    busy["worker2"].reconnect()
    busy.start_pool("worker2")
    finish(busy, config, output, local, *TWO_HOSTS)


def test_launcher_killed(busy: Cluster, local: SourceSet) -> None:
    config, output, job = half_way(busy, local, *TWO_HOSTS)
    hosts.kill(job)
    found = busy.status(output)
    assert found["stage"] == "decoding"
    assert found["job"]["host"] == "launcher"
    finish(busy, config, output, local, *TWO_HOSTS)


def test_two_jobs_into_one_output(busy: Cluster, local: SourceSet) -> None:
    config, output, job = half_way(busy, local, *TWO_HOSTS)
    with frozen(busy):
        second = busy.longtake("build", config, on="watcher")
        assert second.returncode == 1, second.stdout
        assert "another longtake command is working on this corpus (process" in second.stderr
        assert "on launcher). Wait until it ends." in second.stderr
        assert busy.status(output)["running"] is True
    busy["storage"].slow("1gbit")
    code, said = ended(job, busy["launcher"])
    assert code == 0, said
    same(output, local, busy.folder / "corpus")
    assert not [path for path in storage.list_files(storage.join(output, "staging")) if "/lock-" in path]


def test_launcher_cut_off_while_another_takes_over(busy: Cluster, local: SourceSet) -> None:
    config, output, job = half_way(busy, local, *TWO_HOSTS)
    with frozen(busy):
        busy["launcher"].cut_off()
        second = busy.begin("build", config, "--workers=1", on="watcher")
        busy.wait_for_file(output, "staging/lock-000002", second)
    busy["launcher"].reconnect()
    code, said = ended(job, busy["launcher"])
    assert code == 1
    assert "could not renew its lock for 60 s, and another has taken it over" in said
    busy["storage"].slow("1gbit")
    code, said = ended(second, busy["watcher"])
    assert code == 0, said
    same(output, local, busy.folder / "corpus")


def test_store_cut_off_for_a_minute(busy: Cluster, local: SourceSet) -> None:
    _, output, job = half_way(busy, local, *TWO_HOSTS)
    busy["storage"].cut_off()
    time.sleep(60)
    busy["storage"].reconnect()
    busy["storage"].slow("1gbit")
    code, said = ended(job, busy["launcher"])
    assert code == 0, said
    same(output, local, busy.folder / "corpus")


def test_store_killed_and_started_again(busy: Cluster, local: SourceSet) -> None:
    _, output, job = half_way(busy, local, *TWO_HOSTS)
    hosts.kill(busy.store)
    time.sleep(5)
    busy.start_s3()
    busy["storage"].slow("1gbit")
    code, said = ended(job, busy["launcher"])
    assert code == 0, said
    same(output, local, busy.folder / "corpus")


def test_store_that_refuses_one_request_in_ten(busy: Cluster, local: SourceSet) -> None:
    config, output = lay_out(local)
    proxy = object_stores.FlakyServer(f"{busy['storage'].address}:{STORE}", 10, address="10.77.0.1")
    with object_stores.serving(proxy):
        flaky = {"AWS_ENDPOINT_URL": proxy.url}
        for name in ("worker1", "worker2"):
            hosts.kill(busy.pools[name])
            busy.start_pool(name, **flaky)
        done = busy.longtake("build", config, "--probe=none", "--workers=1", "--", *TWO_HOSTS, **flaky)
    assert done.returncode == 0, done.stderr
    assert len(proxy.faults) >= 20
    same(output, local, busy.folder / "corpus")


def test_store_read_only(busy: Cluster, local: SourceSet) -> None:
    config, output = lay_out(local)
    hosts.kill(busy.store)
    busy.start_s3("--readonly")
    done = busy.longtake("build", config, "--probe=none", "--", *TWO_HOSTS)
    assert done.returncode == 1
    assert "permission denied" in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2, "one clear error"
    hosts.kill(busy.store)
    busy.start_s3()
    finish(busy, config, output, local, *TWO_HOSTS)


def test_store_full(busy: Cluster, local: SourceSet) -> None:
    config, output = lay_out(local)
    assert busy.longtake("plan", config, "--probe=none").returncode == 0
    hosts.kill(busy.store)
    with hosts.full_disk(busy["storage"].folder / "s3"):
        busy.start_s3()  # a process sees the disks that were there when it began
        done = busy.longtake("build", config, "--probe=none", "--workers=1", "--", *TWO_HOSTS)
        hosts.kill(busy.store)
    busy.start_s3()
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    assert "run the same command again" in done.stderr.lower(), done.stderr
    finish(busy, config, output, local, *TWO_HOSTS)


def test_host_with_another_version_of_av(busy: Cluster, local: SourceSet) -> None:
    """Its name is what the check reads; the library itself is the same, so only the check can tell."""
    config, output = lay_out(local)
    hosts.kill(busy.pools["worker2"])
    busy.start_pool("worker2", PYTHONPATH=other_av(busy.folder))
    done = busy.longtake("build", config, "--probe=none", "--workers=1", "--", *TWO_HOSTS)
    assert done.returncode == 1
    assert "Versions differ: av 17.0.0 on the worker, " in done.stderr
    assert not storage.list_files(storage.join(output, "plan"))
    hosts.kill(busy.pools["worker2"])
    busy.start_pool("worker2")
    finish(busy, config, output, local, *TWO_HOSTS)


@pytest.fixture
def wrong_clocks() -> None:
    if reason := hosts.why_no_clocks():
        pytest.skip(reason)


def test_hosts_with_wrong_clocks(busy: Cluster, wrong_clocks: None, local: SourceSet) -> None:
    """Nothing compares the clocks of two machines, but S3 servers, which refuse requests that are 15 minutes old or early."""
    hosts.kill(busy.pools["worker2"])
    for name, seconds in (("worker2", -600), ("launcher", 500), ("watcher", 700)):
        busy[name].set_clock(seconds)
    busy.start_pool("worker2")
    config, output, job = half_way(busy, local, *TWO_HOSTS)
    with frozen(busy):
        second = busy.longtake("build", config, on="watcher")
        assert second.returncode == 1, second.stdout
        assert "another longtake command is working on this corpus" in second.stderr
        found = busy.status(output)
        assert found["running"] is True
        assert found["last_sign_age_s"] < 60
    hosts.kill(job)
    time.sleep(LEASE_S + 5)
    assert busy.status(output)["running"] is False
    assert busy.status(output)["last_sign_age_s"] > LEASE_S / 2, "its workers may have ended what they had begun"
    finish(busy, config, output, local, *TWO_HOSTS)
    busy["watcher"].set_clock(7200)
    done = busy.longtake("status", output, on="watcher")
    assert done.returncode == 1
    assert "the store refuses requests of this machine: its clock says " in done.stderr


def other_av(folder: Path) -> str:
    """A search path on which the package av says that it is another version."""
    about = folder / "other" / "av-17.0.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: av\nVersion: 17.0.0\n")
    return os.pathsep.join([str(about.parent), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture
def prism(busy: Cluster) -> subprocess.Popen[bytes]:
    with artifacts.or_skip():
        artifacts.program(artifacts.PRISM)
    return busy.start_prism("worker1")


def test_prism_worker_killed(busy: Cluster, prism: subprocess.Popen[bytes], local: SourceSet) -> None:
    config, output, job = half_way(busy, local, *ON_PRISM)
    kill_workers(busy.pools["worker1"])
    code, said = ended(job, busy["launcher"])
    assert code == 1
    assert "A worker process died. Run the same command again: it goes on where it was." in said
    assert prism.poll() is None
    finish(busy, config, output, local, *ON_PRISM)


def test_prism_killed(busy: Cluster, prism: subprocess.Popen[bytes], local: SourceSet) -> None:
    config, output, job = half_way(busy, local, *ON_PRISM)
    hosts.kill(prism)
    code, said = ended(job, busy["launcher"])
    assert code == 1
    assert "The runner's server does not answer any more" in said
    for pid in workers(busy.pools["worker1"]):
        os.kill(pid, 9)
    busy.start_prism("worker1")
    finish(busy, config, output, local, *ON_PRISM)


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
    """The next job manager finds the job by ZooKeeper and on the disk of its host, and begins it again; nobody has to ask."""
    with artifacts.or_skip():
        artifacts.flink_libraries()
    busy.start_zookeeper()
    _, output, job = half_way(busy, local, *busy.start_flink())
    hosts.kill(busy.flink["runner"])
    busy.start_flink_on("runner")
    busy["storage"].slow("1gbit")
    code, said = ended(job, busy["launcher"], 400)
    assert code == 0, said
    assert "Recovered" in busy["runner"].logs["flink"].read_text()
    same(output, local, busy.folder / "corpus")


def test_flink_job_server_killed(busy: Cluster, flink: tuple[str, ...], local: SourceSet) -> None:
    config, output, job = half_way(busy, local, *flink)
    for pid in hosts.children(job):  # that of the plan runs on until the command ends
        if b"job-server.jar" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    busy["storage"].slow("1gbit")
    code, said = ended(job, busy["launcher"], 400)
    assert code == 1
    assert "The runner's server does not answer any more" in said
    finish(busy, config, output, local, *flink)
