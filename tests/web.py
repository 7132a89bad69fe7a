"""A real HTTP server on loopback that behaves as told: well, or in the ways in which servers of videos fail."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Asked:
    """One request that came."""

    path: str
    range: str | None
    headers: dict[str, str]
    when: float


@dataclass
class Web:
    """A server: files by path, and how often each path was asked for."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    acts: dict[str, Callable[["Handler", int], None]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    at_once: int = 0
    most_at_once: int = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def times(self, path: str) -> int:
        return sum(1 for one in self.asked if one.path == path)

    def ranges(self, path: str) -> list[str | None]:
        return [one.range for one in self.asked if one.path == path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        web, path = self.web, self.path.partition("?")[0]
        with web.lock:
            web.asked.append(Asked(path, self.headers.get("Range"), dict(self.headers), time.monotonic()))
            number = web.times(path)
            web.at_once += 1
            web.most_at_once = max(web.most_at_once, web.at_once)
        try:
            act = web.acts.get(path)
            if act is not None:
                act(self, number)
            elif path in web.files:
                self.send_file(web.files[path])
            else:
                self.answer(404, b"no such page")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with web.lock:
                web.at_once -= 1

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, data: bytes, most: int | None = None, tag: str = '"one"', with_ranges: bool = True) -> None:
        """Send a file, or the part that was asked for; of that `most` bytes, then break off."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if with_ranges else None
        start = int(found[1]) if found else 0
        end = min(int(found[2]) + 1, len(data)) if found and found[2] else len(data)
        if found and self.headers.get("If-Range", tag) != tag:
            found, start, end = None, 0, len(data)
        if found and start >= len(data):
            return self.answer(416, b"", Content_Range=f"bytes */{len(data)}")
        self.send_response(206 if found else 200)
        if found:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.send_header("Content-Type", _type_of(self.path))
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(data[start : end if most is None else min(start + most, end)])
        if most is not None and start + most < end:
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
        return None


def _type_of(path: str) -> str:
    ending = path.partition("?")[0].rpartition(".")[2]
    return {
        "html": "text/html",
        "m3u8": "application/vnd.apple.mpegurl",
        "mpd": "application/dash+xml",
        "vtt": "text/vtt",
        "webm": "video/webm",
        "mp4": "video/mp4",
    }.get(ending, "application/octet-stream")


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[Web]:
    """Serve until the block ends."""
    web = Web()
    server = ThreadingHTTPServer((host, 0), type("Bound", (Handler,), {"web": web}))
    server.daemon_threads = True
    server.request_queue_size = 64
    web.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()


def first(data: bytes, most: int) -> Callable[[Handler, int], None]:
    """Break off after `most` bytes at the first request."""
    return lambda handler, number: handler.send_file(data, most if number == 1 else None)


def folder_of(web: Web, folder: Path, under: str = "") -> None:
    """Serve all files of a folder."""
    for path in folder.iterdir():
        web.files[f"{under}/{path.name}"] = path.read_bytes()
