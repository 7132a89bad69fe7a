"""Crashes, kills, full disks and damage: what they cost, and that a later run puts everything right."""

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from sources import (
    LAST_MAN,
    SourceSet,
    Video,
    build_by_default,
    command,
    ledger,
    leftovers,
    longtake,
    manifest,
    published,
    reasons,
    rows_of,
    source_set,
    spoken,
)

FAULTS = Path(__file__).parent / "faults"
SETTINGS = {"frames": {"short_side": 32, "per_sentence": 2}, "shards": {"samples": 2}}
VIDEOS = [Video(f"v{i}", spoken(4 + i % 2, 500 * i), LAST_MAN) for i in range(8)]


def faulty(faults: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(FAULTS), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "LONGTAKE_TEST_FAULTS": faults}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    """A build that nothing happened to."""
    sources = source_set(tmp_path_factory.mktemp("undisturbed"), VIDEOS, **SETTINGS)
    build_by_default(sources)
    return sources


@pytest.fixture(scope="module")
def reference(undisturbed: SourceSet) -> dict[str, str]:
    """What it publishes."""
    return published(undisturbed.output)


def markers(sources: SourceSet) -> list[Path]:
    return sorted(sources.output.glob("staging/*/*.json"))


def some_markers(sources: SourceSet) -> bool:
    return 1 <= len(markers(sources)) < len(VIDEOS) - 1


def a_shard_is_there_and_one_is_not(sources: SourceSet) -> bool:
    return bool(list(sources.output.glob("shards/*.tar"))) and bool(list(sources.output.glob("shards/.tmp-*")))


def sealed_but_for_the_last_file(sources: SourceSet) -> bool:
    return (sources.output / "README.md").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "moment", "whole_group"),
    [
        ("decode=slow", some_markers, True),
        pytest.param("decode=slow", some_markers, False, marks=pytest.mark.exhaustive),
        ("pack=slow", a_shard_is_there_and_one_is_not, False),
        ("seal=slow", sealed_but_for_the_last_file, True),
    ],
)
def test_a_killed_build_goes_on_and_gives_the_same_bytes(
    tmp_path: Path, reference: dict[str, str], faults: str, moment: Callable[[SourceSet], bool], whole_group: bool
) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    process = subprocess.Popen(
        command("build", str(sources.config), "--probe=none", "--workers=2"),
        env=faulty(faults),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while not moment(sources):
        assert process.poll() is None, "it ended before the moment to kill it"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = psutil.Process(process.pid).children(recursive=True)
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    assert not (sources.output / "corpus.json").exists()
    assert psutil.wait_procs(children, timeout=20)[1] == [], "no child outlives its parent"
    done = {path: path.stat().st_mtime_ns for path in markers(sources)}

    printed = build_by_default(sources)
    assert published(sources.output) == reference
    assert not leftovers(sources.output / "shards")
    assert not leftovers(sources.output / "index")
    assert f", {len(done)} fragments of an earlier run reused" in printed
    assert {path: path.stat().st_mtime_ns for path in done} == done, "what was decoded is not decoded again"


def payload_of(marker: Path) -> Path:
    (payload,) = marker.parent.glob(f"{marker.stem}.*.frag")
    return payload


def cut_payload(marker: Path) -> None:
    path = payload_of(marker)
    path.write_bytes(path.read_bytes()[:-700])


def flip_payload(marker: Path) -> None:
    path = payload_of(marker)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def lose_payload(marker: Path) -> None:
    payload_of(marker).unlink()


def cut_marker(marker: Path) -> None:
    marker.write_bytes(marker.read_bytes()[:100])


def empty_marker(marker: Path) -> None:
    marker.write_bytes(b"")


def change_marker(marker: Path) -> None:
    marker.write_text(marker.read_text().replace('"h264"', '"h265"'))


def test_damaged_staging_is_noticed_and_decoded_again(tmp_path: Path, reference: dict[str, str]) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    build_by_default(sources)
    (sources.output / "corpus.json").unlink()
    damages = (cut_payload, flip_payload, lose_payload, cut_marker, empty_marker, change_marker)
    for damage, marker in zip(damages, markers(sources), strict=False):
        damage(marker)
    printed = build_by_default(sources)
    assert published(sources.output) == reference
    assert f"{len(VIDEOS) - len(damages)} fragments of an earlier run reused" in printed


def test_a_lost_plan_or_staging_is_made_anew(tmp_path: Path, reference: dict[str, str]) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    build_by_default(sources)
    for lost in ("plan/_plan.json", "staging"):
        (sources.output / "corpus.json").unlink()
        path = sources.output / lost
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        build_by_default(sources)
        assert published(sources.output) == reference, lost


@pytest.mark.slow
@pytest.mark.parametrize(
    "step", [".frag", pytest.param("part-00000.parquet", marks=pytest.mark.exhaustive), "corpus.json"]
)
def test_a_full_disk_is_said_and_leaves_nothing_half_written(
    tmp_path: Path, reference: dict[str, str], step: str
) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    done = longtake("build", str(sources.config), "--probe=none", env=faulty(f"write={step}"))
    assert done.returncode == 1, done.stderr
    assert "no space left on device" in done.stderr
    assert "run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (sources.output / "corpus.json").exists()
    assert not leftovers(sources.output)
    build_by_default(sources)
    assert published(sources.output) == reference


@pytest.mark.slow
@pytest.mark.parametrize("stopped", ["fragment", pytest.param("shard", marks=pytest.mark.exhaustive)])
def test_a_file_that_cannot_grow_leaves_nothing_half_written(
    tmp_path: Path, undisturbed: SourceSet, reference: dict[str, str], stopped: str
) -> None:
    """Children write the fragments, and this process writes the shards."""
    fragment = max(p.stat().st_size for p in undisturbed.output.glob("staging/*/*.frag"))
    shard = max(p.stat().st_size for p in undisturbed.output.glob("shards/*.tar"))
    limit = fragment - 512 if stopped == "fragment" else max(fragment, shard - 512)
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    done = longtake(
        "build",
        str(sources.config),
        "--probe=none",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1, done.stderr
    assert "file too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (sources.output / "corpus.json").exists()
    assert not leftovers(sources.output)
    assert all(path.stat().st_size <= limit for path in sources.output.rglob("*") if path.is_file())
    build_by_default(sources)
    assert published(sources.output) == reference


@pytest.mark.exhaustive
def test_a_decoder_that_crashes_hangs_or_eats_memory_costs_that_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = [Video(f"v{i}", spoken(4), LAST_MAN) for i in range(3)]
    bad = [Video(f"{kind}-{i}", spoken(4), LAST_MAN) for kind in ("crash", "hang", "greedy") for i in range(2)]
    limits = {"decode_seconds": 3}
    sources = source_set(tmp_path, good + bad, **SETTINGS, limits=limits, max_failed=0.9)
    for name, value in faulty("decode=fail").items():
        monkeypatch.setenv(name, value)
    start = time.monotonic()
    build_by_default(sources)
    assert time.monotonic() - start < 60
    assert reasons(sources.output, "video") == {
        **dict.fromkeys(("crash-0", "crash-1"), "decoder_crashed"),
        **dict.fromkeys(("greedy-0", "greedy-1"), "out_of_memory"),
        **dict.fromkeys(("hang-0", "hang-1"), "timeout"),
    }
    assert {row["video_id"] for row in rows_of(sources.output, "index")} == {"v0", "v1", "v2"}
    assert manifest(sources.output)["counts"]["sentences"] == {"in": 36, "kept": 12, "dropped": 24}
    assert all(row["detail"] for row in ledger(sources.output))


def test_shards_are_numbered_without_a_gap_when_decoding_empties_one(tmp_path: Path, undisturbed: SourceSet) -> None:
    whole = [(row["shard"], row["video_id"]) for row in rows_of(undisturbed.output, "index")]
    (lost,) = {video_id for shard, video_id in whole if shard == "train-000002"}
    assert {shard for shard, video_id in whole if video_id == lost} == {"train-000002"}, "its loss empties the shard"
    before = len(manifest(undisturbed.output)["shards"])

    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    (tmp_path / "videos" / f"{lost}.mp4").unlink()
    build_by_default(sources)
    names = [shard["name"] for shard in manifest(sources.output)["shards"]]
    assert names == [f"train-{i:06d}.tar" for i in range(before - 1)]
    assert sorted(p.name for p in (sources.output / "shards").iterdir()) == names
    assert sorted(p.stem for p in (sources.output / "index").iterdir()) == [n.removesuffix(".tar") for n in names]
    assert reasons(sources.output, "video") == {lost: "missing"}
    assert all(row["shard"] + ".tar" in names for row in rows_of(sources.output, "index"))
    positions: dict[str, list[int]] = {}
    for row in rows_of(sources.output, "index"):
        positions.setdefault(row["shard"], []).append(row["position"])
    assert all(found == list(range(len(found))) for found in positions.values())
