"""Object stores on loopback: moto's S3 and gcp-storage-emulator, and a proxy that makes some of the requests to them fail."""

import http.client
import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec

from longtake.schemas import storage

NEEDED = ("s3fs", "moto", "gcsfs", "gcp_storage_emulator")
#: What the clients are told, so that they never look for credentials of the machine they run on.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
ENDPOINT = {"s3": "AWS_ENDPOINT_URL", "gs": "STORAGE_EMULATOR_HOST"}


def missing() -> list[str]:
    """The packages that are needed here and not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


@contextmanager
def emulators() -> Iterator[dict[str, str]]:
    """Both emulators; what to set in the environment to reach them. They hold everything in memory."""
    ports = free_port(), free_port()
    gs = "from gcp_storage_emulator.__main__ import main; import sys; sys.exit(main(sys.argv[1:]))"
    commands = (
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(ports[0])],
        [sys.executable, "-c", gs, "start", "--host", "127.0.0.1", "--port", str(ports[1]), "-M"],
    )
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen(command, **quiet) for command in commands]  # type: ignore[call-overload]
    try:
        for port in ports:
            wait_for(port)
        _forget_clients()
        yield CREDENTIALS | {
            ENDPOINT["s3"]: f"http://127.0.0.1:{ports[0]}",
            ENDPOINT["gs"]: f"http://127.0.0.1:{ports[1]}",
        }
    finally:
        for process in started:
            process.kill()
            process.wait()
        _forget_clients()


def _forget_clients() -> None:
    """Drop the clients that fsspec keeps: they know the emulators of other tests in this process."""
    for kind in ENDPOINT:
        fsspec.get_filesystem_class(kind).clear_instance_cache()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "an emulator did not start"
            time.sleep(0.1)


def new_bucket(kind: str) -> str:
    """The URI of a new bucket."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    fsspec.filesystem(kind, use_listings_cache=False).mkdir(name)
    return f"{kind}://{name}"


def upload(folder: Path, uri: str) -> None:
    """Copy a folder, links followed, to below `uri`."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            storage.write_bytes(storage.join(uri, str(path.relative_to(folder))), path.read_bytes())


def download(uri: str, folder: Path) -> Path:
    """Copy what lies below `uri` to a folder."""
    for path in storage.list_files(uri):
        target = folder / path.rsplit("/", 1)[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        storage.fetch(path, str(target))
    for path in storage.list_folders(uri):
        download(path, folder / path.rstrip("/").rsplit("/", 1)[-1])
    return folder


class _Flaky(BaseHTTPRequestHandler):
    """Hands requests on, but for some: refused as overload, cut off before, or done and cut off before the answer."""

    protocol_version = "HTTP/1.1"
    server: "FlakyServer"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.next_fault()
        if fault == "overload":
            self._answer(503, [], b"<Error><Code>ServiceUnavailable</Code></Error>")
        elif fault == "cut":
            self._hang_up()
        else:
            upstream = http.client.HTTPConnection(self.server.upstream, timeout=60)
            try:
                upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    upstream.putheader(name, value)
                upstream.endheaders(body)
                answer = upstream.getresponse()
                data = answer.read()
                if fault == "lost answer":
                    self._hang_up()
                else:
                    self._answer(answer.status, answer.getheaders(), data)
            finally:
                upstream.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response_only(status)
        length = str(len(data))
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class FlakyServer(ThreadingHTTPServer):
    """A proxy on loopback in front of `upstream` (host:port). One request in `one_in` fails; 0: all of them."""

    daemon_threads = True

    def __init__(self, upstream: str, one_in: int, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), _Flaky)
        self.upstream, self.one_in, self.requests = upstream, one_in, 0
        self.faults: list[str] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def next_fault(self) -> str | None:
        with self._lock:
            self.requests += 1
            if self.one_in and self.requests % self.one_in:
                return None
            self.faults.append(("overload", "cut", "lost answer")[len(self.faults) % 3])
            return self.faults[-1]

    def handle_error(self, *_: Any) -> None:
        """A client that went away is none of our business."""


@contextmanager
def flaky_proxy(url: str, one_in: int = 10) -> Iterator[FlakyServer]:
    """A proxy in front of `url`, of whose requests one in `one_in` fails."""
    with serving(FlakyServer(url.removeprefix("http://"), one_in)) as server:
        yield server


@contextmanager
def serving(server: FlakyServer) -> Iterator[FlakyServer]:
    """Serve while the block runs."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
