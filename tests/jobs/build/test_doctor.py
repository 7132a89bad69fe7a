"""`longtake doctor`: it passes where a build would run, and says what to do where it would not."""

import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile

import pytest
from sources import MAMMALS, SourceSet, Video, command, longtake_here, source_set, spoken
from worker_pools import free_port, worker_pool

from longtake.jobs.build import runner_check
from longtake.pipeline.run.runner import pipeline_options
from longtake.schemas import remote, storage


@pytest.fixture
def sources(tmp_path: Path) -> SourceSet:
    return source_set(tmp_path / "set", [Video("v", spoken(4), MAMMALS)])


def test_it_passes_here_and_leaves_nothing(sources: SourceSet) -> None:
    done = longtake_here("doctor", str(sources.config))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "All checks passed."
    assert [line.split(":")[0] for line in lines[:5]] == [
        f"ok     {what}" for what in ("versions", "options", "configuration", "output", "trial job")
    ]
    assert lines[5].startswith("ok     worker ")
    assert not sources.output.exists()


def test_workers_of_a_pool_answer(sources: SourceSet, tmp_path: Path) -> None:
    with worker_pool(tmp_path / "pool.log") as pool:
        external = ["--environment_type=EXTERNAL", f"--environment_config={pool}", "--direct_num_workers=2"]
        done = longtake_here("doctor", str(sources.config), "--", *external)
    assert done.returncode == 0, done.stdout
    assert f"ok     worker pool: {pool} answers" in done.stdout
    assert "2 processes" in done.stdout


def test_a_worker_with_other_versions_and_another_disk(
    sources: SourceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "other" / "av-17.0.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: av\nVersion: 17.0.0\n")
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(about.parent), prepend=":")
        pool = worker_pool(tmp_path / "pool.log")
        address = pool.__enter__()
    try:
        external = ["--environment_type=EXTERNAL", f"--environment_config={address}"]
        done = longtake_here("doctor", str(sources.config), "--", *external)
    finally:
        pool.__exit__(None, None, None)
    assert done.returncode == 1
    assert "av is 17.0.0 there and 18" in done.stdout
    assert "1 check failed" in done.stderr


def test_what_cannot_be_reached(sources: SourceSet) -> None:
    nobody = f"localhost:{free_port()}"
    external = ("--environment_type=EXTERNAL", f"--environment_config={nobody}")
    for beam in (external, ("--runner=PortableRunner", f"--job_endpoint={nobody}", *external)):
        done = longtake_here("doctor", str(sources.config), "--", *beam)
        assert done.returncode == 1
        assert f"{nobody}: Connection refused. Is it started" in done.stdout
        assert "  -    trial job: not tried" in done.stdout


def test_sources_that_cannot_be_read(sources: SourceSet) -> None:
    (sources.folder / "videos.jsonl").unlink()
    done = longtake_here("doctor", str(sources.config))
    assert done.returncode == 1
    assert "FAULT  configuration: " in done.stdout
    assert "ok     output" in done.stdout, "the other checks go on"


def test_options_that_cannot_work(sources: SourceSet) -> None:
    done = longtake_here("doctor", str(sources.config), "--", "--runner=FlinkRunner", "--flink_master=there:8081")
    assert done.returncode == 2
    assert "Beam's own image for workers has no longtake" in done.stderr


@contextmanager
def job_manager(overview: object) -> Iterator[str]:
    """The one answer of Flink's REST interface that matters here; tests/cluster asks a real one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(overview).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("overview", "well", "told"),
    [
        ({"flink-version": "1.20.3", "taskmanagers": 2, "slots-total": 4}, True, "1.20.3 at .*, 2 task managers, 4 slots$"),
        ({"flink-version": "2.1.0", "taskmanagers": 2, "slots-total": 4}, False, "Flink 2.1.0; give --flink_version=2.1, not"),
        ({"flink-version": "1.20.3", "taskmanagers": 0, "slots-total": 0}, False, "fewer than --parallelism=2: start task"),
    ],
)  # fmt: skip
def test_a_flink_cluster(overview: object, well: bool, told: str, tmp_path: Path) -> None:
    jar = tmp_path / "server.jar"
    ZipFile(jar, "w").close()
    with job_manager(overview) as master:
        flink = ["--runner=FlinkRunner", f"--flink_master={master}", "--flink_version=1.20", "--parallelism=2"]
        external = ["--environment_type=EXTERNAL", "--environment_config=localhost:50000"]
        options = pipeline_options([*flink, f"--flink_job_server_jar={jar}", *external], 0)
        found = {what: (fine, said) for what, fine, said in runner_check.check_runner(options)}
    assert found["job server"] == (True, str(jar))
    assert found["Flink"][0] is well
    assert re.search(told, found["Flink"][1])


@pytest.mark.parametrize("answer", [b"", b"\x00\x01 what a port for RPC says", b"HTTP/1.0 200 OK\r\n\r\n<html>"])
def test_another_kind_of_server_at_the_master(answer: bytes, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1 << 16)
                client.sendall(answer)

        threading.Thread(target=talk, daemon=True).start()
        flink = [
            "--runner=FlinkRunner",
            f"--flink_master=127.0.0.1:{server.getsockname()[1]}",
            "--flink_version=1.20",
            "--parallelism=1",
        ]
        jar = [
            "--flink_job_server_jar=/none.jar",
            "--environment_type=EXTERNAL",
            "--environment_config=localhost:50000",
        ]
        *_, (what, well, said) = runner_check.check_runner(pipeline_options([*flink, *jar], 0))
    assert (what, well) == ("Flink", False)
    assert "what answers there is another kind of server. Is the cluster started" in said


def test_a_store_without_conditional_writes(monkeypatch: pytest.MonkeyPatch, sources: SourceSet) -> None:
    root = f"memory://{sources.folder.name}/doctor"
    for path in [sources.folder / "videos.jsonl", *sources.folder.glob("videos/*")]:
        storage.write_bytes(f"{root}/{path.relative_to(sources.folder)}", path.read_bytes())
    storage.write_bytes(f"{root}/corpus.yaml", sources.config.read_bytes())
    assert "ok     lock" in longtake_here("doctor", f"{root}/corpus.yaml").stdout
    monkeypatch.setattr(remote, "create", lambda path, data: storage.write_bytes(path, data) is None)
    done = longtake_here("doctor", f"{root}/corpus.yaml")
    assert done.returncode == 1
    assert "FAULT  lock: the store ignores conditional writes" in done.stdout


def test_a_terminal_of_80_columns(sources: SourceSet) -> None:
    """Each check begins at the left, what follows of it is indented, and no word is cut."""
    beam = ("--runner=PortableRunner", f"--job_endpoint=localhost:{free_port()}")
    pool = ("--environment_type=EXTERNAL", "--environment_config=localhost:50000")
    arguments = ("doctor", str(sources.config), "--", *beam, *pool)
    piped = longtake_here(*arguments).stdout.splitlines()
    screen = {"COLUMNS": "80", "FORCE_COLOR": "1", "TERM": "xterm"}
    done = subprocess.run(command(*arguments), env=os.environ | screen, capture_output=True, text=True, check=False)
    told = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).splitlines()
    assert all(len(line) <= 80 or " " not in line.strip() for line in told)
    assert len(told) > len(piped)
    assert all(line[:7] in ("ok     ", "FAULT  ", "  -    ", " " * 7) for line in told)
    assert " ".join(" ".join(told).split()) == " ".join(" ".join(piped).split())
