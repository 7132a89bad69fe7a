"""Processes outside the test for portable runners: a pool that starts SDK workers, as on Flink and Spark, and a job server."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_PYTHON = (sys.executable, "-m")


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def worker_pool(log: Path, **environment: str) -> Iterator[str]:
    """A pool of external SDK worker processes; the value is its address. What it starts is in `log`, and has `environment`."""
    port = free_port()
    pool = [*_PYTHON, "apache_beam.runners.worker.worker_pool_main", f"--service_port={port}"]
    with _server(pool, port, log, environment):
        yield f"localhost:{port}"


@contextmanager
def job_server(log: Path) -> Iterator[str]:
    """Beam's job server for portable pipelines; the value is its address."""
    port = free_port()
    module = "apache_beam.runners.portability.local_job_service_main"
    with _server([*_PYTHON, module, "-p", str(port), "--staging_dir", str(log.parent / "staged")], port, log):
        yield f"localhost:{port}"


@contextmanager
def java_job_server(jar: Path, log: Path, *options: str) -> Iterator[str]:
    """Beam's job server for Flink or Spark, with a cluster inside; the value is its address."""
    port = free_port()
    ports = [
        f"--job-port={port}",
        "--artifact-port=0",
        "--expansion-port=0",
        f"--artifacts-dir={log.parent / 'staged'}",
    ]
    with _server(["java", "-Xmx1g", "-jar", str(jar), *ports, *options], port, log):
        yield f"localhost:{port}"


@contextmanager
def _server(command: list[str], port: int, log: Path, more: Mapping[str, str] | None = None) -> Iterator[None]:
    # The pool starts its workers as `python`: that of these tests must be the first on the path.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path} | dict(more or {})
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=subprocess.STDOUT)
    try:
        _wait_for(port, process)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not listen on {port}")
