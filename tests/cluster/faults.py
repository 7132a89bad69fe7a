"""A build on the hosts to which something happens in the middle: how it gets there, how it ends, how it is finished."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hosts
import object_stores
from cluster import Cluster, lay_out_set
from sources import LAST_MAN, MAMMALS, SourceSet, Video, ledger, published, spoken

from longtake.schemas import storage

VIDEOS = [Video(f"v{i}", spoken(6, 700 * i), (MAMMALS, LAST_MAN)[i % 2]) for i in range(12)]
SETTINGS = {"frames": {"short_side": 32, "per_sentence": 2}, "shards": {"samples": 4}}
#: How fast the store sends, so that a build lasts long enough for something to happen to it.
SLOW = "6mbit"


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


def half_way(busy: Cluster, local: SourceSet, *beam: str, pace: str = SLOW) -> tuple[str, str, subprocess.Popen[bytes]]:
    """A build on the launcher that has decoded something and has more to do: its configuration, its output and its process."""
    config, output = lay_out(local)
    assert busy.longtake("plan", config, "--probe=none").returncode == 0
    busy["storage"].slow(pace)
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
    """SIGKILL the SDK workers of a pool that are at work. For one that dies while it starts, Beam's Java part waits for ever."""
    wait_until_at_work(pool)
    for pid in workers(pool):
        os.kill(pid, 9)


def loses_its_job_server(busy: Cluster, local: SourceSet, *beam: str) -> None:
    """SIGKILL those of a build, as that of its plan runs on until it ends: one clear error, and the next command finishes."""
    config, output, job = half_way(busy, local, *beam)
    for pid in hosts.children(job):
        if b"job-server.jar" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    busy["storage"].slow("1gbit")
    code, said = ended(job, busy["launcher"], 400)
    assert code == 1
    assert "The runner's server does not answer any more" in said
    finish(busy, config, output, local, *beam)


def wait_until_at_work(pool: subprocess.Popen[bytes]) -> None:
    """Wait until an SDK worker of a pool has a decoder: a process below it."""
    deadline = time.monotonic() + 60
    while not any(hosts.children(worker) for worker in workers(pool)):
        assert time.monotonic() < deadline, "it has nothing to do"
        time.sleep(0.05)


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
