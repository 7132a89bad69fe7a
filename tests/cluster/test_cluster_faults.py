"""Hosts, servers and stores that fail during a build: the same bytes at the end, or one clear error and then the same bytes."""

import os
import subprocess
import time
from pathlib import Path

import artifacts
import hosts
import object_stores
import pytest
from cluster import ON_PRISM, STORE, TWO_HOSTS, Cluster
from faults import ended, finish, frozen, half_way, kill_workers, lay_out, same, workers
from sources import SourceSet

from longtake.schemas import storage
from longtake.schemas.layout import LEASE_S


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


def test_store_slow(busy: Cluster, local: SourceSet) -> None:
    """To the end: half a megabyte a second for both hosts, and each answer waits behind the others."""
    config, output = lay_out(local)
    busy["storage"].slow("4mbit")
    done = busy.longtake("build", config, "--probe=none", "--workers=1", "--", *TWO_HOSTS)
    assert done.returncode == 0, done.stderr
    busy["storage"].slow("1gbit")
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
