"""From a list of URLs to a verified corpus, with two servers on this machine.

    python examples/from-urls/run.py
    python examples/from-urls/run.py --model base      # a Whisper model, by name or folder, hears what has no captions

One server is a site: its pages have a video, with captions in a <track> or without. The other has files alone: one behind a
redirect, which breaks off in its middle, and one that is gone. All else is what one does on the web: `longtake fetch` with
--dry-run and without, `plan`, `build`, `verify`. Without a model, a video without captions ends in the ledger, as `no_text`.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent / "demo"
OUT = HERE.parents[1] / "out" / "from-urls"

PAGE = """<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1>
<video controls src="/films/{film}">{track}</video></body></html>"""
TRACK = '<track kind="captions" srclang="en" src="/subs/{name}">'


class Site(BaseHTTPRequestHandler):
    """Pages, films and captions."""

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        folder, _, name = self.path.lstrip("/").partition("/")
        if folder == "watch":
            captions = {"mammals": "mammals.en.vtt"}.get(name)
            film = {"mammals": "mammals.mp4", "last-man": "last-man.mp4"}[name]
            track = TRACK.format(name=captions) if captions else ""
            self.send("text/html", PAGE.format(title=name.title(), film=film, track=track).encode())
        elif folder == "films":
            self.send("video/mp4", (DEMO / "videos" / name).read_bytes())
        elif folder == "subs":
            self.send("text/vtt", (DEMO / "subs" / name).read_bytes())
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def send(self, kind: str, data: bytes, start: int = 0, most: int | None = None) -> None:
        """Send data from `start`; at `most` bytes, break off."""
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", f'"{len(data)}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[start:most])


class Files(Site):
    """A server of files with the faults of one."""

    broken_off = False

    def do_GET(self) -> None:
        if self.path == "/old/polar-mammals.webm":
            self.send_response(301)
            self.send_header("Location", "/polar-mammals.webm")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/polar-mammals.webm":
            data = (DEMO / "videos" / "polar-mammals.webm").read_bytes()
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
            most = None if Files.broken_off else len(data) // 2
            Files.broken_off = True
            self.send("video/webm", data, start, most)
        else:
            self.send_error(404)

    do_HEAD = do_GET


def serve(kind: type[Site]) -> str:
    """Start a server, and return the address that it has until this process ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def longtake(*arguments: str) -> None:
    """Run a command, and stop where it fails."""
    print(f"\n$ longtake {shlex.join(arguments)}", flush=True)
    if code := subprocess.run([sys.executable, "-m", "longtake.jobs.cli", *arguments], check=False).returncode:
        sys.exit(code)


def main() -> None:
    site, files = serve(Site), serve(Files)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    links = [f"{site}/watch/mammals", f"{site}/watch/last-man", f"{files}/old/polar-mammals.webm", f"{files}/gone.mp4"]
    (OUT / "links.txt").write_text("# what to fetch\n" + "\n".join(links) + "\n")
    told = argparse.ArgumentParser()
    told.add_argument("--model")
    model = told.parse_args().model
    hear = ("--set", "source.text.format=[vtt, asr]", "--set", f"source.text.model={model}") if model else ()
    config = str(HERE / "corpus.yaml"), *hear
    longtake("fetch", *config, "--dry-run", "--price-per-gb-month", "0.02", "--megabytes-per-second", "10")
    longtake("fetch", *config)
    longtake("plan", *config)
    longtake("build", *config)
    longtake("verify", str(OUT / "corpus"))


if __name__ == "__main__":
    main()
