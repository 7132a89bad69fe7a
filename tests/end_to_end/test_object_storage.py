"""Whole corpora on object stores: sources, plan, staging, shards and index on s3:// and gs://, through the real clients."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import object_stores
import pytest
import yaml
from reading import read
from sources import (
    LAST_MAN,
    MAMMALS,
    ONE_THREAD,
    SourceSet,
    Video,
    build,
    command,
    ledger,
    longtake,
    longtake_here,
    published,
    reasons,
    source_set,
    spoken,
    subtitles,
)

from longtake.schemas import scratch as temporary, storage
from longtake.schemas.config import parse_config
from longtake.schemas.reasons import Reason

FAULTS = Path(__file__).parent / "faults"
SETTINGS = {"frames": {"short_side": 32, "per_sentence": 2}, "shards": {"samples": 2}}
VIDEOS = [Video(f"v{i}", spoken(4 + i % 2, 500 * i), LAST_MAN) for i in range(6)]

pytestmark = pytest.mark.skipif(bool(object_stores.missing()), reason=f"not installed: {object_stores.missing()}")


@pytest.fixture(scope="module")
def emulators() -> Iterator[dict[str, str]]:
    """The environment that leads to both emulators, set for this process and its children."""
    with object_stores.emulators() as settings, pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield settings


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    """The same sources on the local disk, and their corpus."""
    sources = source_set(tmp_path_factory.mktemp("local"), VIDEOS, **SETTINGS)
    build(sources, probe="header")
    return sources


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder for temporary files, of this process and of its children."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    temporary.remove()  # that of earlier tests lies elsewhere
    yield folder
    temporary.remove()


def remote_set(local: SourceSet, kind: str) -> str:
    """The sources in a new bucket; the URI of their folder."""
    root = storage.join(object_stores.new_bucket(kind), "set")
    for name in ("videos", "videos.jsonl", "corpus.yaml"):
        path = local.folder / name
        if path.is_dir():
            object_stores.upload(path, storage.join(root, name))
        else:
            storage.write_bytes(storage.join(root, name), path.read_bytes())
    return root


def assert_same(root: str, local: SourceSet, folder: Path) -> None:
    """The corpus on the store is that on the disk, byte for byte, ledger included."""
    corpus = object_stores.download(storage.join(root, "out"), folder)
    assert published(corpus) == published(local.output)
    assert ledger(corpus) == ledger(local.output)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """A command, in this process; the result is what it prints."""
    from longtake.jobs.cli import app

    capsys.readouterr()
    app(args=list(arguments), obj=list(ONE_THREAD), standalone_mode=False)
    return capsys.readouterr().out


def ran(*arguments: str, **options: Any) -> str:
    """A command, in a process of its own; the result is what it prints."""
    done = longtake(*arguments, **options)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["s3", "gs"])
@pytest.mark.usefixtures("emulators")
def test_a_folder_in_a_bucket_is_a_source(kind: str) -> None:
    root = storage.join(object_stores.new_bucket(kind), "set")
    said = subtitles(spoken(2), "vtt").encode()
    files = {"a.mp4": b"", "a.en.vtt": said, "week 1/b.webm": b"", "week 1/b.vtt": said, "week 1/deep/c.mp4.part": b""}
    for name, content in files.items():
        storage.write_bytes(storage.join(root, "lectures", name), content)
    settings = {"name": "t", "output": "out", "base": root, "source": {"folder": "lectures"}}
    videos, drops = read(parse_config(settings))
    assert {v.video.video_id: len(v.sentences) for v in videos} == {"a": 2, "week 1/b": 2}
    assert [(row.subject_id, row.reason) for row in drops] == [("week 1/deep/c", Reason.MISSING)]
    assert all(storage.exists(storage.join(root, v.video.uri)) for v in videos)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["s3", "gs"])
@pytest.mark.usefixtures("emulators")
def test_every_command_works_on_a_store_and_gives_the_bytes_of_the_disk(
    kind: str, local: SourceSet, tmp_path: Path, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from longtake.library.shards import RawSample, ShardReader, WantedFrames
    from longtake.schemas.layout import Layout

    root = remote_set(local, kind)
    config, corpus = storage.join(root, "corpus.yaml"), storage.join(root, "out")
    assert "Build it with" in run(capsys, "plan", config)
    run(capsys, "build", config, "--workers=2")
    assert_same(root, local, tmp_path / "found")
    assert "every check passed" in run(capsys, "verify", corpus)
    assert "is already complete" in run(capsys, "build", config)
    (key, *_) = [line.split()[0] for line in run(capsys, "show", corpus).splitlines() if line.startswith("v0-")]
    picture = tmp_path / "sample.png"
    run(capsys, "show", corpus, key, "--output", str(picture))
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert storage.list_folders(storage.join(corpus, "staging"))
    run(capsys, "clean", corpus)
    assert not storage.list_folders(storage.join(corpus, "staging"))
    assert [path.name for path in scratch.rglob("*") if path.is_file()] == ["lock"], "no copy stays behind"

    wanted = [
        WantedFrames("train-000000", 1, 0, 4),
        WantedFrames("train-000001", 0, 2, 6),
        WantedFrames("train-000000", 0, 0, 3),
    ]
    found, same = (ShardReader(Layout(where)).read(wanted) for where in (corpus, str(local.output)))
    assert found == same
    assert all(isinstance(one, RawSample) for one in found)


@pytest.mark.slow
@pytest.mark.usefixtures("emulators")
def test_a_killed_build_goes_on(
    local: SourceSet,
    tmp_path: Path,
    scratch: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = remote_set(local, "gs")
    config, staging = storage.join(root, "corpus.yaml"), storage.join(root, "out", "staging")
    process = subprocess.Popen(
        command("build", config, "--workers=2"),
        env={
            **os.environ,
            "PYTHONPATH": f"{FAULTS}:{os.environ.get('PYTHONPATH', '')}",
            "LONGTAKE_TEST_FAULTS": "decode=slow",
        },
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=(tmp_path / "errors").open("w"),
    )
    deadline, done = time.monotonic() + 300, 0
    while not done:
        assert process.poll() is None, (tmp_path / "errors").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)
        done = sum(len(storage.list_files(folder, ".json")) for folder in storage.list_folders(staging))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not storage.exists(storage.join(root, "out", "corpus.json"))
    assert list(scratch.glob("*/*.mp4")), "a killed process cannot tidy up"

    monkeypatch.setattr(temporary, "_SETTLED_SECONDS", 0)
    temporary.remove()
    assert "fragments of an earlier run reused" in run(capsys, "build", config)
    assert not list(scratch.glob("*/*.mp4")), "the next one does it"
    assert_same(root, local, tmp_path / "found")


@pytest.mark.slow
def test_a_store_that_fails_one_in_ten_requests(emulators: dict[str, str], local: SourceSet, tmp_path: Path) -> None:
    root = remote_set(local, "s3")
    with object_stores.flaky_proxy(emulators["AWS_ENDPOINT_URL"]) as proxy:
        env = {"AWS_ENDPOINT_URL": proxy.url, "AWS_MAX_ATTEMPTS": "1"}  # botocore itself does not try again
        ran("build", storage.join(root, "corpus.yaml"), "--", *ONE_THREAD, env=env)
        assert "every check passed" in ran("verify", storage.join(root, "out"), env=env)
    assert len(proxy.faults) > 15, proxy.requests
    assert_same(root, local, tmp_path / "found")


@pytest.mark.usefixtures("emulators")
def test_sources_that_are_missing_or_too_large_are_in_the_ledger(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bound = LAST_MAN.stat().st_size
    videos = [VIDEOS[0], Video("gone", spoken(4)), Video("large", spoken(4), MAMMALS)]
    limits = {"scratch_bytes": bound}
    sources = source_set(tmp_path / "set", videos, **SETTINGS, max_failed=0.9, limits=limits)
    (sources.folder / "videos" / "gone.mp4").unlink()
    root = remote_set(sources, "s3")
    run(capsys, "build", storage.join(root, "corpus.yaml"), "--probe=none", "--workers=2")
    corpus = object_stores.download(storage.join(root, "out"), tmp_path / "found")
    assert reasons(corpus, "video") == {"gone": "missing", "large": "limit_exceeded"}
    (row,) = [row for row in ledger(corpus) if row["subject"] == "video" and row["video_id"] == "large"]
    assert row["detail"] == f"{MAMMALS.stat().st_size} bytes to copy; limits.scratch_bytes is {bound}"


class Refusing(BaseHTTPRequestHandler):
    """A store that lets nobody in."""

    def do_GET(self) -> None:
        data = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else data)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def refusing() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_a_missing_bucket_is_said_in_one_line(
    kind: str, emulators: dict[str, str], local: SourceSet, tmp_path: Path
) -> None:
    settings = yaml.safe_load(local.config.read_text()) | {"output": f"{kind}://no-such-bucket/out"}
    said = "there is no bucket", f"{kind}://no-such-bucket. Create it"
    assert_one_line(settings, local, tmp_path, emulators, *said, run=longtake_here)


@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_a_refusal_is_said_in_one_line(
    kind: str, emulators: dict[str, str], refusing: str, local: SourceSet, tmp_path: Path
) -> None:
    settings = yaml.safe_load(local.config.read_text()) | {"output": f"{kind}://bucket/out"}
    env = emulators | {object_stores.ENDPOINT[kind]: refusing}
    assert_one_line(settings, local, tmp_path, env, f"{kind}://bucket/out", "permission denied", "grant them")


def test_missing_credentials_are_said_in_one_line(emulators: dict[str, str], local: SourceSet, tmp_path: Path) -> None:
    settings = yaml.safe_load(local.config.read_text()) | {"output": "s3://bucket/out"}
    env = emulators | {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    assert_one_line(settings, local, tmp_path, env, "no usable credentials", "AWS_PROFILE")


def assert_one_line(
    settings: dict[str, Any], local: SourceSet, folder: Path, env: dict[str, str], *said: str, run: Any = longtake
) -> None:
    config = folder / "corpus.yaml"
    settings["source"] |= {"videos": str(local.folder / "videos.jsonl")}
    config.write_text(yaml.safe_dump(settings))
    start = time.monotonic()
    done = run("build", str(config), env=env)
    assert done.returncode == 1, done.stdout
    assert time.monotonic() - start < 30, "what is refused is not tried again"
    assert done.stderr.count("\n") == 1, done.stderr
    assert all(part in done.stderr for part in said), done.stderr
    assert env["AWS_SECRET_ACCESS_KEY"] == "" or env["AWS_SECRET_ACCESS_KEY"] not in done.stderr
