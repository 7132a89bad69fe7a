"""Seventy videos of other people's making, sound and broken, planned and built on every engine: the bytes of the local runner.

Prints how long each took beside the local runner, and the memory of all processes of the cluster (`-s` shows it).
"""

import re
import subprocess
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import artifacts
import object_stores
import pytest
from cluster import ON_PRISM, S3, TWO_HOSTS, Cluster, cluster, lay_out_set, reached, skip_without_hosts
from media import shared
from sources import Video, command, ledger, published, source_set, spoken

FILES = list(shared("videos", "odd"))
NUMBER = 70


@pytest.fixture(scope="module")
def on_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Path, Path]]:
    """The hosts, the folder with the sources, and the corpus that the local runner makes of them on the launcher."""
    skip_without_hosts()
    if not FILES:
        pytest.skip("the shared videos are not here")
    videos = [
        Video(f"v{n:02d}", spoken(5, 900 * (n // len(FILES))), file)
        for n, file in enumerate(islice(cycle(FILES), NUMBER))
    ]
    settings = {"frames": {"short_side": 64, "per_sentence": 2}, "shards": {"samples": 8}, "max_failed": 1.0}
    sources = source_set(tmp_path_factory.mktemp("sources"), videos, "hdvila", **settings)
    with cluster(tmp_path_factory.mktemp("cluster")) as hosts:
        hosts.start_s3()
        with reached(S3, hosts["storage"].address):
            local = lay_out_set(sources.folder)
            report(hosts, "local runner", local)
            yield hosts, sources.folder, object_stores.download(f"{local}/out", tmp_path_factory.mktemp("local"))


def report(hosts: Cluster, name: str, root: str, *options: str) -> None:
    """Plan and build on an engine, and print its line."""
    start = time.monotonic()
    done = hosts["launcher"].run(command("build", f"{root}/corpus.yaml", "--workers=1", "--", *options), 1200)
    seconds = time.monotonic() - start
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"\n{name}: {seconds:.0f} s, {memory(hosts):,.0f} MB held by servers and workers")


def memory(hosts: Cluster) -> float:
    """The sum of the most that each process on the hosts, other than the store, has held, in MB."""
    total = 0
    for name in hosts.hosts:
        if name == "storage":
            continue
        found = subprocess.run(["ip", "netns", "pids", f"lt-{name}"], capture_output=True, text=True, check=True)
        for pid in found.stdout.split():
            status = Path(f"/proc/{pid}/status")
            if status.exists() and (most := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
                total += int(most[1])
    return total / 1000


def started(hosts: Cluster, engine: str) -> tuple[str, ...]:
    """Start an engine and its workers. What to say after `--`; skips the test if it cannot be had."""
    for name in ("worker1", "worker2"):
        hosts.start_pool(name)
    with artifacts.or_skip():
        if engine == "Flink":
            return hosts.start_flink()
        if engine == "Spark":
            return hosts.start_spark()
        if engine == "Prism":
            hosts.start_prism("worker1")
            return ON_PRISM
    hosts.start_front("worker1", "worker2")
    return TWO_HOSTS


@pytest.mark.parametrize("engine", ["two hosts", "Prism", "Flink", "Spark"])
def test_the_bytes_of_the_local_runner(on_hosts: tuple[Cluster, Path, Path], engine: str, tmp_path: Path) -> None:
    hosts, sources, local = on_hosts
    options, root = started(hosts, engine), lay_out_set(sources)
    report(hosts, engine, root, *options)
    corpus = object_stores.download(f"{root}/out", tmp_path)
    assert published(corpus) == published(local)
    assert ledger(corpus) == ledger(local)
