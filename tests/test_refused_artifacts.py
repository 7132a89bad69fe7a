"""Registries that hang or refuse, asked by their real clients: what tests/cluster needs ends in time, and is missed aloud."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import artifacts
import pytest
from sources import REPOSITORY

_SCRIPT = REPOSITORY / "tests" / "cluster" / "artifacts.py"
_FLINK_TEST = "tests/end_to_end/test_runners.py::test_flink_goes_on_without_a_worker[flink]"
_NO_END = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 100000\r\n\r\n"


@pytest.fixture
def registry(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that accepts and never answers, or whose answers never end: no wait for the next byte of them is long."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        if request.param == "endless":
            threading.Thread(target=_serve, args=(server,), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def _serve(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            threading.Thread(target=_drip, args=(server.accept()[0],), daemon=True).start()


def _drip(client: socket.socket) -> None:
    with suppress(OSError), client:
        client.recv(1 << 16)
        client.sendall(_NO_END)
        while True:
            client.sendall(b" ")
            time.sleep(0.2)


def environment(folder: Path, registry: str, seconds: int) -> dict[str, str]:
    """Clients with nothing in their caches, to which all registries are this one."""
    (folder / ".m2").mkdir(exist_ok=True)
    mirror = f"<mirror><id>it</id><mirrorOf>*</mirrorOf><url>{registry}</url></mirror>"
    (folder / ".m2" / "settings.xml").write_text(f"<settings><mirrors>{mirror}</mirrors></settings>")
    own = {
        "LONGTAKE_CLUSTER": str(folder / "cluster"),
        "LONGTAKE_CLUSTER_SECONDS": str(seconds),
        "LONGTAKE_FLINK_JOB_SERVER": "",
        "MAVEN_OPTS": f"-Duser.home={folder}",
        "PIP_INDEX_URL": registry,
        "PIP_CONFIG_FILE": os.devnull,
        "GOPROXY": registry,
        "PYTHONPATH": str(_SCRIPT.parent),
    }
    return {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "GO"))} | own


@pytest.mark.parametrize(
    ("registry", "client", "asked", "seconds"),
    [
        ("silent", "mvn", "artifacts.job_server('flink')", 4),
        ("endless", "mvn", "artifacts.job_server('flink')", 4),
        ("silent", "pip", "artifacts.flink_libraries()", 4),
        ("silent", "go", "artifacts.program(artifacts.PRISM)", 1),  # may take four times as long
    ],
    indirect=["registry"],
)
def test_no_registry_is_waited_for_long(registry: str, client: str, asked: str, seconds: int, tmp_path: Path) -> None:
    """Each client gives up by itself or is ended; the next who asks knows; nothing is left that could be taken for whole."""
    if client != "pip" and shutil.which(client) is None:
        pytest.skip(f"there is no {client}")
    ask = f"import time, artifacts\nbegun = time.monotonic()\ntry: {asked}\n"
    tell = "except artifacts.RefusedError as error: print(time.monotonic() - begun, error)"
    own = environment(tmp_path, registry, seconds)
    for most in (8, 0.5):
        command = [sys.executable, "-c", ask + tell]
        done = subprocess.run(command, env=own, capture_output=True, text=True, check=True)
        (line,) = done.stdout.splitlines()
        assert float(line.partition(" ")[0]) < most
        assert client in line
        assert "timed out" in line or "no end after 4 s" in line
    left = [path for path in (tmp_path / "cluster").iterdir() if path.name != "go"]
    assert [path.suffix for path in left] == [artifacts._REFUSED]


def test_a_run_without_flink_says_so(tmp_path: Path) -> None:
    """As CI does it: the script, then the tests in processes; each prints one line with what was refused and what it costs."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
    own = environment(tmp_path, nobody, 60)
    asked = subprocess.run(
        [sys.executable, str(_SCRIPT), "flink"], env=own, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 1
    (line,) = asked.stderr.splitlines()
    assert line.startswith("FLINK CANNOT RUN HERE, so its tests will be skipped: mvn ")
    tests = [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider", _FLINK_TEST]
    done = subprocess.run(tests, env=own, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if artifacts.CANNOT in line]
    assert line.startswith("CANNOT RUN HERE: mvn ")
    assert nobody in line
    assert line.endswith(f"Skipped for it: {_FLINK_TEST}")
