"""The decoder reads the one file it was given: files that point elsewhere are refused, and nobody is asked for anything."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import media
import pytest

from longtake.pipeline.decode import Decoded, SourceError, decode_frames, probe
from longtake.pipeline.run.slots import Slots, SlotTimeout
from longtake.schemas.config import Frames, Limits

HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{target}\n#EXT-X-ENDLIST\n"
KEYED = HLS.replace("#EXTINF", '#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXT-X-MAP:URI="{target}"\n#EXTINF')
MASTER = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\n{target}\n"
CONCAT = "ffconcat version 1.0\nfile '{target}'\n"
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1" width="64" height="48">'
    '<BaseURL>{target}</BaseURL><SegmentBase indexRange="0-100"/></Representation></AdaptationSet></Period></MPD>'
)
SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\na=control:{target}\n"
    "m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
ASX = '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>'
SMIL = '<smil><body><video src="{target}"/></body></smil>'
REDIRECT = "[Reference]\nRef1={target}\n"
LISTS = {
    "hls": HLS, "hls with keys": KEYED, "hls master": MASTER, "concat": CONCAT, "dash": DASH, "sdp": SDP, "asx": ASX,
    "smil": SMIL, "asf redirect": REDIRECT,
}  # fmt: skip


class Server(ThreadingHTTPServer):
    """Serves one video, and remembers who asked for it."""

    content: bytes
    requests: ClassVar[list[str]] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as found:
        found.content = media.encode("segment.ts", duration=1, size="64x48").read_bytes()
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found
        found.shutdown()


@pytest.fixture(scope="module")
def slots() -> Iterator[Slots]:
    with Slots(1) as found:
        found.run(60, decode, str(media.encode("segment.ts", duration=1, size="64x48")), "pyav")
        yield found


def decode(path: str, decoder: str) -> str:
    """What a build does with a source: "decoded", or why not."""
    frames, limits = Frames.model_validate({"short_side": 16, "decoder": decoder}), Limits()
    try:
        probe(path, limits, packets=True)
        found: Decoded = decode_frames(path, [0, 500], frames, limits)
    except SourceError as error:
        return error.reason.value
    return f"decoded {len(found.frames)}"


def outcome(slots: Slots, path: Path, decoder: str) -> str:
    try:
        return slots.run(15, decode, str(path), decoder)
    except SlotTimeout:
        return "waited for something elsewhere"


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("to", ["http", "absolute", "relative", "pipe"])
def test_lists_of_other_files_are_refused(tmp_path: Path, server: Server, slots: Slots, kind: str, to: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "real.ts").write_bytes(server.content)
    os.mkfifo(elsewhere / "pipe.ts")  # whoever opens it waits for ever, and is found out
    port = server.server_address[1]
    target = {
        "http": f"http://127.0.0.1:{port}/{kind.replace(' ', '-')}.ts",
        "absolute": f"file://{elsewhere}/real.ts",
        "relative": "../elsewhere/real.ts",
        "pipe": f"{elsewhere}/pipe.ts",
    }[to]
    sources = tmp_path / "videos"
    sources.mkdir()
    text = LISTS[kind].format(target=target, port=port)
    for name in ("a.mp4", "a.m3u8", "a.ffconcat", "a.mpd", "a.sdp"):
        (sources / name).write_text(text)
        for decoder in ("pyav", "decord"):
            assert outcome(slots, sources / name, decoder) == "unreadable"
    assert server.requests == []
    assert sorted(path.name for path in sources.iterdir()) == ["a.ffconcat", "a.m3u8", "a.mp4", "a.mpd", "a.sdp"]


def test_the_server_would_have_noticed(server: Server) -> None:
    """The other way round: FFmpeg, if it is let, does ask for what a playlist names."""
    import av

    port = server.server_address[1]
    path = Path(
        media.derived(
            f"hls {port}", "let.m3u8", lambda p: p.write_text(HLS.format(target=f"http://127.0.0.1:{port}/let.ts"))
        )
    )
    with av.open(str(path), options={"protocol_whitelist": "file,http,tcp,crypto,data"}) as container:
        next(container.decode(video=0))
    assert server.requests == ["/let.ts"] * len(server.requests) != []
    server.requests.clear()
