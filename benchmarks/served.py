"""Servers under measurement: started as users start them, asked over real HTTP, one request after the other."""

import http.client
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import Failed, Sampler

_START_SECONDS = 1800
_REQUEST_SECONDS = 120


@dataclass(frozen=True)
class Server:
    """A server that answers. `start_seconds` went by from its start to its first answer; `memory` still watches it."""

    port: int
    start_seconds: float
    memory: Sampler


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the whole body, and the seconds from sending to its last byte."""

    status: int
    body: bytes
    seconds: float


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def serving(command: Sequence[str], port: int, ready: str) -> Iterator[Server]:
    """Run a server until the block ends; it is ready when `ready` gives 200. Raises Failed."""
    with tempfile.TemporaryFile("w+b") as log:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"PYTHONWARNINGS": "ignore"})
        memory = Sampler(process.pid)
        try:
            while not _answers(port, ready):
                if process.poll() is not None or time.monotonic() - begun > _START_SECONDS:
                    log.seek(0)
                    raise Failed(f"{' '.join(command)} did not come up:\n{log.read().decode(errors='replace')[-3000:]}")
                time.sleep(0.02)
            yield Server(port, time.monotonic() - begun, memory)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            memory.stop()


def _answers(port: int, path: str) -> bool:
    try:
        return Client(port).get(path).status == 200
    except OSError:
        return False


class Client:
    """A connection that is kept, as browsers keep theirs."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_SECONDS)

    def get(self, path: str) -> Answer:
        """Raises OSError."""
        begun = time.perf_counter()
        try:
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            body = answer.read()
        except http.client.HTTPException as error:
            self._connection.close()
            raise OSError(str(error)) from None
        return Answer(answer.status, body, time.perf_counter() - begun)


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds."""
    p50, p95, top = (1000 * float(np.quantile(seconds, q)) for q in (0.5, 0.95, 1))
    return {"p50": round(p50, 1), "p95": round(p95, 1), "max": round(top, 1)}


def latencies(port: int, questions: Mapping[str, Sequence[str]], again: bool = True) -> dict[str, dict[str, Any]]:
    """For each kind of question, milliseconds of the first time that each is asked, and of the second. Raises Failed."""
    client, found = Client(port), {}
    for kind, paths in questions.items():
        rounds = [[_asked(client, path) for path in paths] for _ in range(1 + again)]
        found[kind] = {"requests": len(paths), "first": quantiles(rounds[0])}
        if again:
            found[kind]["again"] = quantiles(rounds[1])
    return found


def _asked(client: Client, path: str) -> float:
    answer = client.get(path)
    if answer.status != 200:
        raise Failed(f"{path}: {answer.status}\n{answer.body.decode(errors='replace')[-1500:]}")
    return answer.seconds


def tree_size(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
