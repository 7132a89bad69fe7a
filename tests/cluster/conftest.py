"""The cluster of these tests, with an S3 server; what they need beyond the other tests is fetched when it is first used."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import S3, Cluster, cluster, reached, skip_without_hosts
from faults import SETTINGS, VIDEOS
from sources import DEMO, SourceSet, build, source_set


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("cluster")


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, built by the local runner on the local disk."""
    folder = tmp_path_factory.mktemp("reference")
    for name in ("videos", "subs", "videos.jsonl"):
        (folder / name).symlink_to(DEMO / name)
    (folder / "corpus.yaml").write_text((DEMO / "corpus.yaml").read_text().replace("../../out/demo", "out"))
    sources = SourceSet(folder, {"output": "out"})
    build(sources, probe="header")
    return sources.output


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Hosts with an S3 server that all of them reach; this process reaches it too."""
    skip_without_hosts()
    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        found.start_s3()
        with reached(S3, found["storage"].address):
            yield found


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
