"""`longtake fetch` beside plain yt-dlp at the same concurrency, from a server of this process.

    python benchmarks/fetch.py [--small 400] [--large 12] [--pages 100] [--steady 24] [--megabytes 8] [--concurrency 4]
        [--rounds 3]

Plain yt-dlp is as many processes as videos at a time, each with its share of the list. Both fetch the same bytes; longtake also
checks each file, hashes it, and writes records, a ledger and the manifest. They take turns; each figure is the least of some
rounds.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import yaml
from measure import CACHE, RESULTS, Failed, machine, report
from small_jobs import cpu_seconds

_TARGET = 1.1  # of the wall time of yt-dlp
_STEADY = 10_000_000  # bytes a second of one connection
_CHUNK = 200_000


class _Server(BaseHTTPRequestHandler):
    """Serves every path ending in .mp4 as the file that its first part names, and every page with a video in it."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes]

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        name, _, number = self.path.lstrip("/").partition("/")
        is_page = number.endswith(".html")
        video = f"<title>{number}</title><video src='/small/{number[:-5]}.mp4'></video>".encode()
        body = video if is_page else self.files[name]
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if is_page else "video/mp4")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{name}"')
        self.end_headers()
        if self.command == "GET":
            if name != "steady":
                self.wfile.write(body)
                return
            began = time.monotonic()
            for start in range(0, len(body), _CHUNK):
                time.sleep(max(began + start / _STEADY - time.monotonic(), 0))
                self.wfile.write(body[start : start + _CHUNK])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (
        ("concurrency", 4),
        ("small", 400),
        ("large", 12),
        ("pages", 100),
        ("steady", 24),
        ("rounds", 3),
        ("megabytes", 8),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--output", type=Path, default=RESULTS)
    asked = parser.parse_args()
    facts = machine()
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="fetch-", dir=CACHE))
    try:
        _Server.files = {"small": _clip(folder, 60_000), "large": _clip(folder, asked.megabytes * 1_000_000)}
        _Server.files["steady"] = _Server.files["large"]
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}"
        lists = {
            "1 small file": [f"{root}/small/0.mp4"],
            f"{asked.small} small files": [f"{root}/small/{n}.mp4" for n in range(asked.small)],
            f"{asked.large} large files": [f"{root}/large/{n}.mp4" for n in range(asked.large)],
            f"{asked.steady} at {_STEADY // 1_000_000} MB/s each": [
                f"{root}/steady/{n}.mp4" for n in range(asked.steady)
            ],
            f"{asked.pages} pages": [f"{root}/page/{n}.html" for n in range(asked.pages)],
        }
        results = {
            name: _measured(folder, urls, asked.concurrency, asked.rounds) for name, urls in lists.items() if urls
        }
        server.shutdown()
    except Failed as error:
        sys.exit(str(error))
    finally:
        shutil.rmtree(folder)
    rows = [
        [
            name, f"{found['bytes'] / 1e6:,.0f} MB",
            *(f"{found[who][unit]:.1f} s" for unit in ("wall_s", "cpu_s") for who in ("longtake", "yt-dlp")),
            f"{found['longtake']['wall_s'] / found['yt-dlp']['wall_s']:.2f}",
        ]
        for name, found in results.items()
    ]  # fmt: skip
    headings = [
        "",
        "size",
        "longtake, wall",
        "yt-dlp, wall",
        "longtake, CPU",
        "yt-dlp, CPU",
        f"wall, ratio (target {_TARGET})",
    ]
    title = f"Fetching, {asked.concurrency} at a time"
    report("fetch", title, headings, rows, {"concurrency": asked.concurrency, "lists": results}, asked.output, facts)


def _clip(folder: Path, size: int) -> bytes:
    """A video of about `size` bytes: noise does not compress."""
    path = folder / f"{size}.mp4"
    seconds, picture = max(2, size // 1_000_000), "320x180"
    source = ["-f", "lavfi", "-i", f"testsrc2=size={picture}:rate=25:duration={seconds},noise=alls=20:allf=t"]
    coding = ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", str(8 * size // seconds), "-pix_fmt", "yuv420p"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *source, *coding, "-movflags", "+faststart", str(path)]
    subprocess.run(command, check=True)
    return path.read_bytes()


def _measured(folder: Path, urls: Sequence[str], concurrency: int, rounds: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for _ in range(rounds):
        for who, start in (("longtake", _longtake), ("yt-dlp", _yt_dlp)):
            here = folder / "run"
            here.mkdir()
            command = start(here, urls, concurrency)
            began = time.monotonic()
            cpu_s = cpu_seconds(command)
            wall_s = time.monotonic() - began
            sizes = [path.stat().st_size for path in here.rglob("*.mp4")]
            if len(sizes) != len(urls):
                raise Failed(f"{who}: {len(sizes)} files for {len(urls)} URLs")
            before = out.get(who, {"wall_s": wall_s, "cpu_s": cpu_s})
            out[who] = {"wall_s": min(wall_s, before["wall_s"]), "cpu_s": min(cpu_s, before["cpu_s"])}
            if out.setdefault("bytes", sum(sizes)) != sum(sizes):
                raise Failed(f"{who}: {sum(sizes)} bytes, not {out['bytes']}")
            shutil.rmtree(here)
    return out


def _longtake(folder: Path, urls: Sequence[str], concurrency: int) -> list[str]:
    (folder / "links.txt").write_text("\n".join(urls) + "\n")
    fetch = {"urls": "links.txt", "allow_private": True, "concurrency": concurrency, "per_host": concurrency}
    source = {"videos": "videos.jsonl", "uri": "videos/{video_id}.mp4", "fetch": fetch}
    (folder / "corpus.yaml").write_text(yaml.safe_dump({"name": "x", "output": "out", "source": source}))
    return [sys.executable, "-m", "longtake.jobs.cli", "fetch", str(folder / "corpus.yaml"), "-q"]


def _yt_dlp(folder: Path, urls: Sequence[str], concurrency: int) -> list[str]:
    parts = min(concurrency, len(urls))
    for part in range(parts):
        (folder / f"part-{part}.txt").write_text("\n".join(urls[part::parts]) + "\n")
    one = f"{sys.executable} -m yt_dlp -q --no-warnings --no-mtime -o '{folder}/%(id)s-%(autonumber)s-$1.%(ext)s' -a $1"
    names = " ".join(f"part-{part}.txt" for part in range(parts))
    start, end = (
        f"for part in {names}; do (set -- $part; {one}) & done",
        "for job in $(jobs -p); do wait $job || exit 1; done",
    )
    return ["bash", "-c", f"cd {folder}; {start}; {end}"]


if __name__ == "__main__":
    main()
