"""The decoder opens the file it is given and nothing else: no address, and no other file, that the media names."""

import io
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from gallery import VIDEOS

from longtake.pipeline.decode import SourceError, decode_frames, probe, probe_header
from longtake.pipeline.decode.source import open_source
from longtake.schemas import storage
from longtake.schemas.config import Frames, Limits

PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}/a.m3u8\n",
    "key": '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=AES-128,URI="{url}/k"\n#EXTINF:4,\n{url}/a.ts\n#EXT-X-ENDLIST\n',
    "concat": "ffconcat version 1.0\nfile '{url}/a.mp4'\n",
    "dash": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><Period><BaseURL>{url}/a.mp4</BaseURL>"
    "<AdaptationSet mimeType='video/mp4'><Representation id='1'/></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "asx": '<asx version="3.0"><entry><ref href="{url}/a.mp4"/></entry></asx>',
    "rtsp": "[Reference]\nRef1={url}/a.mp4\n",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}/a.png"/></svg>',
}
NAMES = ("a.mp4", "a.m3u8", "a.mpd", "a.sdp", "a.ffconcat")


class Listener:
    """A server that notes who comes."""

    def __init__(self) -> None:
        self.visits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.visits += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.close()


def by_path(path: Path) -> None:
    decode_frames(str(path), [0], Frames(short_side=32), Limits())


def probed(path: Path) -> None:
    probe(str(path), Limits(), packets=True)


def by_stream(path: Path) -> None:
    with open(path, "rb") as stream, open_source(stream, Limits()):
        pass


WAYS = (by_path, probed, by_stream)


def test_the_listener_would_notice(tmp_path: Path, listener: Listener) -> None:
    """FFmpeg with other options follows a playlist."""
    path, options = str(tmp_path / "a.m3u8"), {"protocol_whitelist": "file,http,tcp", "allowed_extensions": "ALL"}
    Path(path).write_text(PLAYLISTS["hls"].format(url=listener.url, port=listener.port))
    with pytest.raises((av.FFmpegError, OSError)), av.open(path, options=options, timeout=5) as container:
        next(container.demux())
    assert listener.visits


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_playlists_lead_nowhere(
    tmp_path: Path, listener: Listener, kind: str, name: str, way: Callable[[Path], None]
) -> None:
    path = tmp_path / name
    path.write_text(PLAYLISTS[kind].format(url=listener.url, port=listener.port))
    with pytest.raises(SourceError):
        way(path)
    assert listener.visits == 0


@pytest.mark.parametrize("path", ["{url}/a.mp4", "tcp://127.0.0.1:{port}", "concat:{url}/a|{url}/b", "cache:{url}/a"])
def test_addresses_are_names_of_files_here(listener: Listener, path: str) -> None:
    with pytest.raises(SourceError, match="missing"):
        probe(path.format(url=listener.url, port=listener.port), Limits())
    assert listener.visits == 0


@pytest.mark.parametrize("name", sorted(VIDEOS))
def test_a_header_says_the_same_through_a_stream(name: str, tmp_path: Path) -> None:
    path = VIDEOS[name]()
    remote = f"memory://probe/{path.name}"
    storage.write_bytes(remote, path.read_bytes())
    try:
        whole = probe(str(path), Limits())
    except SourceError as error:
        with storage.open_ranges(remote) as stream, pytest.raises(SourceError) as found:
            assert probe_header(stream, Limits()) is None  # then the file is copied, and says the same
            raise error
        assert found.value.reason is error.reason
        return
    with storage.open_ranges(remote) as stream:
        facts = probe_header(stream, Limits())
    assert facts == (None if whole.exact else whole)


def test_an_empty_stream_is_an_empty_file() -> None:
    with pytest.raises(SourceError, match="empty_file"):
        probe_header(io.BytesIO(), Limits())
