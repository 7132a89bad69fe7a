"""A new version that is interrupted anywhere leaves the old one whole or the new one, and the next command ends it."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from sources import (
    LAST_MAN,
    ONE_THREAD,
    SourceSet,
    Video,
    build,
    longtake,
    manifest,
    published,
    reasons,
    source_set,
    spoken,
)
from typer.testing import CliRunner

from longtake.jobs.cli import app
from longtake.jobs.lock import locked
from longtake.pipeline.revise import install
from longtake.pipeline.verify import verify
from longtake.schemas import storage
from longtake.schemas.amending import amend
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout

KILLS = Path(__file__).parent / "kills"
SETTINGS = {"frames": {"short_side": 32, "per_sentence": 2}, "shards": {"samples": 4}, "max_failed": 0.9}
VIDEOS = [Video(f"v{i}", spoken(4 + i % 2, 500 * i), LAST_MAN) for i in range(8)]
LOST = "v5"
COMMANDS = {
    "takedown": ["--videos", "-"],
    "reshard": ["--samples", "2"],
    "retry": ["--config"],
}

POINTS = [
    "before pipeline.ledger.write write_part 1",
    "after schemas.storage write_parquet 2",
    "before pipeline.build.pack pack 1",
    "after pipeline.build.pack pack 1",
    "before pipeline.build.seal publish 1",
    "after pipeline.build.seal publish 1",
    "before pipeline.revise.install _exchange 1",
    "after pipeline.revise.install _exchange 1",
    "after pipeline.revise.install _move 1",
    "after pipeline.revise.install _finish_exchange 1",
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    """A corpus in which one video failed, whose file is there by now."""
    sources = source_set(tmp_path_factory.mktemp("built"), VIDEOS, **SETTINGS)
    lost = sources.folder / "videos" / f"{LOST}.mp4"
    lost.unlink()
    build(sources)
    lost.symlink_to(LAST_MAN)
    return sources


@pytest.fixture(scope="module")
def results(built: SourceSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What each command publishes that nobody interrupts."""
    out = {}
    for command in COMMANDS:
        corpus = tmp_path_factory.mktemp(command) / "corpus"
        shutil.copytree(built.output, corpus)
        again(command, corpus, built)
        out[command] = published(corpus)
    return out


def arguments(command: str, corpus: str, built: SourceSet) -> list[str]:
    more = [str(built.config)] if command == "retry" else []
    return [command, corpus, *COMMANDS[command], *more]


def again(command: str, corpus: Path | str, built: SourceSet) -> str:
    result = CliRunner().invoke(app, arguments(command, str(corpus), built), obj=list(ONE_THREAD), input="v2\n")
    if result.exception is not None:
        raise result.exception
    return result.output


def check_whole(corpus: Path) -> int:
    """The version of the corpus, of which everything must be right."""
    report = verify(str(corpus), workers=1)
    assert report.compared and not report.faults, [str(fault) for fault in report.faults]
    return int(manifest(corpus).get("version", 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "point"),
    [("takedown", POINTS[0]), ("takedown", POINTS[8]), ("reshard", POINTS[6]), ("retry", POINTS[2])]
    + [
        pytest.param(command, point, marks=pytest.mark.exhaustive)
        for command in ("takedown", "reshard", "retry")
        for point in POINTS
    ],
)
def test_a_killed_command_leaves_a_whole_corpus_and_the_next_ends_it(
    built: SourceSet, results: dict[str, dict[str, str]], tmp_path: Path, command: str, point: str
) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(built.output, corpus)
    before = published(corpus)
    environment = {
        "PYTHONPATH": os.pathsep.join([str(KILLS), os.environ.get("PYTHONPATH", "")]),
        "LONGTAKE_TEST_KILL": point,
    }
    killed = longtake(*arguments(command, str(corpus), built), env=environment, input="v2\n")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    version = check_whole(corpus)
    assert version == (2 if POINTS.index(point) > 6 else 1)
    assert published(corpus) == (results[command] if version == 2 else before)
    again(command, corpus, built)
    assert check_whole(corpus) == 2
    assert published(corpus) == results[command]
    assert not list(tmp_path.glob(".*.next"))


def test_whoever_comes_next_ends_it(built: SourceSet, results: dict[str, dict[str, str]], tmp_path: Path) -> None:
    corpus = interrupted(built, tmp_path, "reshard", before_install)
    for name in ("selections.json", "queues.csv"):
        (corpus / name).write_text("kept")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(install, "_finish_exchange", lambda *layouts: None)  # killed there
        install.install(Layout(str(corpus)))
    amend(str(corpus / "queues.csv"), lambda data: (0, data + b" and changed"))  # before anybody finishes it
    with locked(str(corpus)):
        assert published(corpus) == results["reshard"]
        assert [(corpus / name).read_text() for name in ("selections.json", "queues.csv")] == [
            "kept",
            "kept and changed",
        ]
        assert "another longtake command is working" in str(CliRunner().invoke(app, ["map", str(corpus)]).exception)
        with pytest.raises(CorpusError, match="another longtake command is working"), locked(str(corpus)):
            pass


def test_a_version_of_another_corpus_is_not_put_in_place(built: SourceSet, tmp_path: Path) -> None:
    corpus = interrupted(built, tmp_path, "reshard", before_install)
    path = corpus / "corpus.json"
    path.write_bytes(path.read_bytes().replace(b'"seed": 0', b'"seed": 1'))
    with locked(str(corpus)):
        assert b'"seed": 1' in path.read_bytes()
    assert not list(tmp_path.glob(".*.next"))


def before_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(layout: Layout) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("longtake.jobs.versions.revise.install", stop)


def interrupted(built: SourceSet, folder: Path, command: str, arrange: Callable[[pytest.MonkeyPatch], None]) -> Path:
    """A corpus whose next version is whole and not in place yet."""
    corpus = folder / "corpus"
    shutil.copytree(built.output, corpus)
    with pytest.MonkeyPatch.context() as monkeypatch:
        arrange(monkeypatch)
        CliRunner().invoke(app, arguments(command, str(corpus), built), obj=list(ONE_THREAD), input="v2\n")
    assert (folder / ".corpus.next" / "corpus.json").exists()
    return corpus


# -- where folders cannot change places --------------------------------------------------------------------------------

OPERATIONS = ("link", "delete", "delete_folder", "write_bytes")


class Stopped(Exception):
    pass


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Makes the n-th operation on storage, and all after it, fail; 0: none."""
    state = {"left": 0}

    def wrap(name: str) -> None:
        whole = getattr(storage, name)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            if state["left"]:
                state["left"] -= 1
                if not state["left"]:
                    state["left"] = 1
                    raise Stopped
            return whole(*arguments, **options)

        monkeypatch.setattr(storage, name, wrapped)

    for name in OPERATIONS:
        wrap(name)
    yield lambda number: state.update(left=number)


@pytest.mark.exhaustive
@pytest.mark.parametrize("command", ["takedown", "reshard"])
def test_file_by_file_it_can_stop_anywhere(
    built: SourceSet,
    results: dict[str, dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop_at: Callable[[int], None],
    command: str,
) -> None:
    monkeypatch.setattr(install, "_exchange", lambda one, other: False)
    first = tmp_path / "first"
    first.mkdir()
    interrupted(built, first, command, before_install)
    stops = 0
    for number in range(1, 200):
        folder = tmp_path / str(number)
        shutil.copytree(first, folder)
        layout = Layout(str(folder / "corpus"))
        stop_at(number)
        try:
            install.install(layout)
        except Stopped:
            stops += 1
        stop_at(0)
        if (folder / "corpus" / "corpus.json").exists():
            check_whole(folder / "corpus")
        install.recover(layout)
        assert published(folder / "corpus") == results[command], number
        check_whole(folder / "corpus")
        assert not list(folder.glob(".*.next"))
        shutil.rmtree(folder)
        if stops < number:
            break
    assert stops > 10


@pytest.mark.exhaustive
def test_file_by_file_unfinished_writes_go_too(
    built: SourceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "_exchange", lambda one, other: False)
    corpus = tmp_path / "corpus"
    shutil.copytree(built.output, corpus)
    left = [corpus / folder / ".tmp-killed" for folder in ("shards", "index", "plan", "ledger", "embeddings")]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"of a video that is taken down")
    again("takedown", corpus, built)
    assert not [path for path in left if path.exists()]
    check_whole(corpus)


def test_in_an_object_store(built: SourceSet, results: dict[str, dict[str, str]]) -> None:
    """fsspec's memory file system has objects and no folders to rename."""
    store, root = fsspec.filesystem("memory"), "memory://bucket/corpus"
    try:
        store.put(str(built.output), "/bucket/corpus", recursive=True)
        before = {path: store.created(path) for path in store.find("/bucket/corpus/shards")}
        for command in ("reshard", "takedown"):
            again(command, root, built)
            report = verify(root, workers=1)
            assert report.compared and not report.faults, [str(fault) for fault in report.faults]
            assert not [path for path in store.find("/bucket/corpus") if "/next/" in path]
        assert not [path for path in store.find("/bucket/corpus/staging") if path.endswith(".frag")]
        assert before
    finally:
        store.rm("/bucket", recursive=True)


def test_a_failed_video_is_there_to_be_retried(built: SourceSet) -> None:
    assert reasons(built.output, "video") == {LOST: "missing"}
