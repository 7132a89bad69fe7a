"""The demo, planned and built on hosts of their own with an S3 or GCS server between them: the bytes of the local runner."""

from pathlib import Path

import artifacts
import object_stores
import pytest
from cluster import ON_PRISM, TWO_HOSTS, Cluster, lay_out_demo
from sources import ledger, published

from longtake.schemas import storage


def same(root: str, reference: Path, folder: Path) -> None:
    corpus = object_stores.download(storage.join(root, "out"), folder)
    assert published(corpus) == published(reference)
    assert ledger(corpus) == ledger(reference)


def test_two_worker_hosts(whole: Cluster, reference: Path, tmp_path: Path) -> None:
    root = object_stores.new_bucket("s3")
    config = lay_out_demo(root)
    whole.start_pool("worker1")
    whole.start_pool("worker2")
    whole.start_front("worker1", "worker2")
    done = whole.longtake("build", config, "--", *TWO_HOSTS)
    assert done.returncode == 0, done.stderr
    same(root, reference, tmp_path)
    for name in ("worker1", "worker2"):
        assert "Starting worker with command" in whole[name].logs["pool"].read_text()


def test_prism(whole: Cluster, reference: Path, tmp_path: Path) -> None:
    try:
        artifacts.program(artifacts.PRISM)
    except artifacts.RefusedError as refused:
        pytest.skip(str(refused))
    root = object_stores.new_bucket("s3")
    config = lay_out_demo(root)
    whole.start_prism("worker1")
    done = whole.longtake("build", config, "--workers=2", "--", *ON_PRISM)
    assert done.returncode == 0, done.stderr
    same(root, reference, tmp_path)
    found = whole.status(storage.join(root, "out"))
    assert found["stage"] == "sealed"
