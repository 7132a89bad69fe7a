"""The demo, planned and built on hosts of their own with an S3 or GCS server between them: the bytes of the local runner."""

from pathlib import Path

import artifacts
import object_stores
from cluster import GS, ON_PRISM, TWO_HOSTS, Cluster, lay_out_demo, on_flink_by_processes, reached
from sources import ledger, published

from longtake.schemas import remote, storage


def same(root: str, reference: Path, folder: Path) -> None:
    corpus = object_stores.download(storage.join(root, "out"), folder)
    assert published(corpus) == published(reference)
    assert ledger(corpus) == ledger(reference)


def test_two_worker_hosts(whole: Cluster, reference: Path, tmp_path: Path) -> None:
    root = object_stores.new_bucket("s3")
    config = lay_out_demo(root)
    for name in ("worker1", "worker2"):
        whole.start_pool(name, LONGTAKE_LOG="json")
    whole.start_front("worker1", "worker2")
    done = whole.longtake("build", config, "--", *TWO_HOSTS)
    assert done.returncode == 0, done.stderr
    same(root, reference, tmp_path)
    for name in ("worker1", "worker2"):
        assert "Starting worker with command" in whole[name].logs["pool"].read_text()
    told = "".join(whole[name].logs["pool"].read_text() for name in ("worker1", "worker2"))
    assert '"event": "task_done", "video_id": "mammals"' in told


def test_prism(whole: Cluster, reference: Path, tmp_path: Path) -> None:
    with artifacts.or_skip():
        artifacts.program(artifacts.PRISM)
    root = object_stores.new_bucket("s3")
    config = lay_out_demo(root)
    whole.start_pool("worker1")
    whole.start_prism("worker1")
    done = whole.longtake("build", config, "--workers=2", "--", *ON_PRISM)
    assert done.returncode == 0, done.stderr
    same(root, reference, tmp_path)
    found = whole.status(storage.join(root, "out"))
    assert found["stage"] == "sealed"


def test_a_gcs_server_with_preconditions(whole: Cluster, reference: Path, tmp_path: Path) -> None:
    """Sources, corpus and lock on gs://: the emulator of the other tests ignores what the lock is made of."""
    with artifacts.or_skip():
        whole.start_gs()
    with reached(GS, whole["storage"].address):
        root = object_stores.new_bucket("gs")
        config = lay_out_demo(root)
        assert remote.create(f"{root}/once", b"1")
        assert not remote.create(f"{root}/once", b"2")
        done = whole.longtake("doctor", config)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "ok     lock: the store refuses to create what exists" in done.stdout
        done = whole.longtake("build", config)
        assert done.returncode == 0, done.stderr
        same(root, reference, tmp_path)


def test_flink(whole: Cluster, reference: Path, tmp_path: Path) -> None:
    """A job manager and two task managers, Beam's job server beside the launcher, a pool of workers beside each task manager."""
    with artifacts.or_skip():
        options = whole.start_flink()
    found = whole.flink_overview()
    assert (found["taskmanagers"], found["slots-total"]) == (2, 4)
    root = object_stores.new_bucket("s3")
    config = lay_out_demo(root)
    for name in ("worker1", "worker2"):
        whole.start_pool(name)
    told = whole.longtake("doctor", config, "--", *options)
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"ok     Flink: {artifacts.FLINK} at runner:8081, 2 task managers, 4 slots" in told.stdout
    assert "ok     worker worker1" in told.stdout
    done = whole.longtake("build", config, "--workers=1", "--", *options)
    assert done.returncode == 0, done.stderr
    same(root, reference, tmp_path)


def test_flink_that_starts_its_workers(whole: Cluster, reference: Path, tmp_path: Path) -> None:
    """Without pools: Beam's boot program, started by the task managers. Their logs hold what the workers tell of each video."""
    with artifacts.or_skip():
        options = on_flink_by_processes(whole.start_flink())
    root = object_stores.new_bucket("s3")
    config = lay_out_demo(root)
    assert whole.longtake("plan", config).returncode == 0
    done = whole.longtake("build", config, "--workers=1", "--", *options)
    assert done.returncode == 0, done.stderr
    same(root, reference, tmp_path)
    told = "".join(whole[name].logs["flink"].read_text() for name in ("worker1", "worker2"))
    assert "task_done video_id=mammals " in told


def test_spark(whole: Cluster, reference: Path, tmp_path: Path) -> None:
    """A master and two workers of Spark, Beam's job server on the launcher, a pool of workers beside each of Spark's."""
    with artifacts.or_skip():
        options = whole.start_spark()
    root = object_stores.new_bucket("s3")
    config = lay_out_demo(root)
    for name in ("worker1", "worker2"):
        whole.start_pool(name)
    done = whole.longtake("build", config, "--workers=1", "--", *options)
    assert done.returncode == 0, done.stderr
    same(root, reference, tmp_path)
