"""The same corpus, byte by byte, on every runner that can run here: threads, processes, and workers that somebody else starts."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import artifacts
import pytest
from sources import (
    LAST_MAN,
    MAMMALS,
    POLAR_MAMMALS,
    SourceSet,
    Video,
    build,
    ledger,
    manifest,
    published,
    source_set,
    spoken,
)
from worker_pools import java_job_server, job_server, worker_pool

from longtake.schemas.errors import CorpusError

VIDEOS = [Video(f"v{i}", spoken(3 + i, 1000 * i), (LAST_MAN, MAMMALS, POLAR_MAMMALS)[i % 3]) for i in range(6)]
SETTINGS = {
    "split": {"train": 0.7, "val": 0.3},
    "frames": {"short_side": 32, "per_sentence": 2},
    "duplicates": {"paragraphs": "flag"},  # its joins, too, must not see who works
}

KILLS = Path(__file__).parent / "kills"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    sources = lay_out(tmp_path_factory.mktemp("reference"))
    build(sources, workers=1, probe="header")
    assert len(manifest(sources.output)["shards"]) >= 3
    assert manifest(sources.output)["counts"]["videos"]["dropped"] == 1
    return sources


@pytest.fixture(scope="module")
def pool_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pool") / "pool.log"


@pytest.fixture(scope="module")
def pool(pool_log: Path) -> Iterator[str]:
    with worker_pool(pool_log, LONGTAKE_LOG="json") as address:
        yield address


def lay_out(folder: Path) -> SourceSet:
    sources = source_set(folder, [*VIDEOS, Video("broken", spoken(4))], "hdvila", **SETTINGS)
    (folder / "videos" / "broken.mp4").unlink()
    (folder / "videos" / "broken.mp4").write_bytes(b"no video")
    return sources


def test_two_worker_processes_of_the_runner(reference: SourceSet, tmp_path: Path) -> None:
    sources = lay_out(tmp_path)
    build(sources, workers=1, probe="header", beam=["--direct_running_mode=multi_processing", "--direct_num_workers=2"])
    same(sources, reference)


def test_two_external_worker_processes_at_once(reference: SourceSet, pool: str, pool_log: Path, tmp_path: Path) -> None:
    sources = lay_out(tmp_path)
    before = started(pool_log)
    external = ["--environment_type=EXTERNAL", f"--environment_config={pool}", "--direct_num_workers=2"]
    build(sources, workers=1, probe="header", beam=external)
    same(sources, reference)
    assert started(pool_log) - before == 4, "two for the plan, two for the build"
    told = [json.loads(line) for line in pool_log.read_text().splitlines() if line.startswith('{"time"')]
    done = {one["video_id"] for one in told if one["event"] == "task_done"}
    assert done == {video.video_id for video in VIDEOS}, "the pool's log tells of each video"


def test_a_job_server_with_external_workers(reference: SourceSet, pool: str, pool_log: Path, tmp_path: Path) -> None:
    """What Flink and Spark do, with Beam's own server in their place: job API, artifacts, workers in other processes."""
    sources = lay_out(tmp_path)
    before = started(pool_log)
    with job_server(tmp_path / "server.log") as server:
        beam = portable(server, pool)
        printed = build(sources, workers=2, probe="header", beam=beam)
        same(sources, reference)
        assert started(pool_log) - before == 2, "one for the plan, one for the build"
        assert "0.00 h" not in printed  # what workers elsewhere did is not counted here, so nothing is said of it
        assert "nothing to do" in build(sources, workers=2, probe="header", beam=beam)


@pytest.fixture(scope="session")
def jar(request: pytest.FixtureRequest) -> Path:
    """The job server of an engine. It comes before what costs time."""
    with artifacts.or_skip():
        return artifacts.job_server(request.param)


@pytest.mark.exhaustive  # Spark fetches 300 MB; Flink runs below
@pytest.mark.parametrize(("jar", "master"), [
    ("flink", "--flink-master=[local]"),
    ("spark", "--spark-master-url=local[2]"),
], indirect=["jar"])  # fmt: skip
def test_the_engine_inside_its_job_server(
    jar: Path, master: str, reference: SourceSet, pool: str, tmp_path: Path
) -> None:
    """Flink's and Spark's own code runs the graph. tests/cluster has clusters of them on hosts of their own."""
    sources = lay_out(tmp_path)
    with java_job_server(jar, tmp_path / "server.log", master) as server:
        build(sources, workers=1, probe="header", beam=[*portable(server, pool), "--parallelism=1"])
    same(sources, reference)


@pytest.mark.parametrize("jar", ["flink"], indirect=True)
def test_flink_goes_on_without_a_worker(jar: Path, reference: SourceSet, tmp_path: Path) -> None:
    """Flink plans and builds. SIGKILL of the SDK worker when it begins its fourth video: Flink tries again, and another worker
    uses what was done."""
    sources, log, killed = lay_out(tmp_path), tmp_path / "pool.log", tmp_path / "killed"
    (tmp_path / "config.yaml").write_text(
        "restart-strategy.type: fixed-delay\nrestart-strategy.fixed-delay.delay: 2 s\nrestart-strategy.fixed-delay.attempts: 3\n"
    )
    flink = ["--flink-master=[local]", f"--flink-conf-dir={tmp_path}"]
    point = {"LONGTAKE_TEST_KILL": "before pipeline.fragments.fragment read_marker 4"}
    once = {"LONGTAKE_TEST_KILL_ONCE": str(killed), "PYTHONPATH": with_path(KILLS)}
    with (
        worker_pool(log, **point, **once) as pool,
        java_job_server(jar, tmp_path / "server.log", *flink) as server,
    ):
        forget = (
            "--environment_cache_millis=500"  # else a cluster inside the job server tries again with the dead worker
        )
        build(sources, workers=1, probe="header", beam=[*portable(server, pool), "--parallelism=1", forget])
    same(sources, reference)
    assert killed.exists()
    assert started(log) >= 2


@pytest.mark.exhaustive
def test_the_job_server_tells_why_a_job_failed(pool: str, tmp_path: Path) -> None:
    sources = source_set(tmp_path, [Video("broken", spoken(4))], "hdvila", **SETTINGS)
    (tmp_path / "videos" / "broken.mp4").unlink()
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"no video")
    with (
        job_server(tmp_path / "server.log") as server,
        pytest.raises(CorpusError, match=r"^1 of 1 videos failed \(100%\); max_failed allows 20%"),
    ):
        build(sources, workers=1, probe="none", beam=portable(server, pool))
    assert not (sources.output / "corpus.json").exists()


def portable(server: str, pool: str) -> list[str]:
    place = ["--runner=PortableRunner", f"--job_endpoint={server}"]
    return [*place, "--environment_type=EXTERNAL", f"--environment_config={pool}"]


def same(sources: SourceSet, reference: SourceSet) -> None:
    assert published(sources.output) == published(reference.output)
    assert ledger(sources.output) == ledger(reference.output)


def with_path(folder: Path) -> str:
    """PYTHONPATH with one more folder before it."""
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


def started(log: Path) -> int:
    """How many workers the pool has started so far."""
    return log.read_text().count("Starting worker with command")
