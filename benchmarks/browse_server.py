"""A server in a process of its own, and requests to it. Part of audit.py."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from urllib.parse import parse_qsl, urlencode, urlsplit

import psutil
from measure import Failed, Sampler

_START_SECONDS = 1800


class Server:
    """A server in a process of its own, from its start to its end. Raises Failed where it does not answer."""

    def __init__(self, command: list[str], port: int, ready: str) -> None:
        self._log = tempfile.NamedTemporaryFile("w+b", prefix="longtake-bench-")  # noqa: SIM115
        begun = time.monotonic()
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=self._log, env=os.environ | {"PYTHONWARNINGS": "ignore"}
        )
        self._sampler = Sampler(self._process.pid)
        self._csrf = ""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while True:
            try:
                self.get(ready)
                break
            except (OSError, http.client.HTTPException):
                self._connection.close()
                if self._process.poll() is not None or time.monotonic() - begun > _START_SECONDS:
                    self.stop()
                    raise Failed(f"{command[0]} does not answer:\n{self._said()}") from None
                time.sleep(0.05)
        self.start_seconds = time.monotonic() - begun

    @property
    def cpu(self) -> float:
        """The CPU seconds of its processes until now, also of those that ended."""
        root = psutil.Process(self._process.pid)
        return sum(sum(one.cpu_times()[:4]) for one in [root, *root.children(recursive=True)])

    @property
    def peak(self) -> int:
        """Of its memory until now, in bytes."""
        return self._sampler.peak

    def get(self, path: str) -> tuple[bytes, float]:
        """The whole answer, and how many milliseconds it took."""
        begun = time.perf_counter()
        try:
            answer = self._answer(path)
        except (ConnectionError, http.client.BadStatusLine):  # servers hang up on who was silent for seconds
            self._connection.close()
            begun = time.perf_counter()
            answer = self._answer(path)
        body = answer.read()
        took = (time.perf_counter() - begun) * 1000
        if answer.status != 200:
            raise Failed(f"{path}: {answer.status}\n{body[:2000].decode(errors='replace')}")
        return body, took

    def post(
        self, path: str, values: dict[str, str], form: bool = False
    ) -> tuple[http.client.HTTPResponse, bytes, float]:
        """The answer to what a page of longtake sends, and how many milliseconds it took."""
        if not self._csrf:
            found = re.search(rb'data-csrf="([^"]+)"', self.get("/")[0])
            self._csrf = found[1].decode() if found else ""
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        body = urlencode(values | {"csrf": self._csrf}) if form else json.dumps(values)
        begun = time.perf_counter()
        self._connection.request("POST", path, body, {"Content-Type": kind, "X-Longtake": self._csrf})
        answer = self._connection.getresponse()
        read = answer.read()
        took = (time.perf_counter() - begun) * 1000
        if answer.status >= 400:
            raise Failed(f"{path}: {answer.status}\n{read[:2000].decode(errors='replace')}")
        return answer, read, took

    def proved(self, path: str) -> str:
        """A path as our own pages give it: with the proof that lets its SQL run."""
        given = dict(parse_qsl(urlsplit(path).query))
        return self.post("/ask", given, form=True)[0].headers["Location"] if "sql" in given else path

    def _answer(self, path: str) -> http.client.HTTPResponse:
        self._connection.request("GET", path)
        return self._connection.getresponse()

    def stop(self) -> None:
        """End it, as Ctrl-C does."""
        self._connection.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
        self._process.kill()
        self._process.wait()
        self._sampler.stop()

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-3000:]
