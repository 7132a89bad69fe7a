"""Plain links: a file over HTTP, continued where it broke off, and checked against its length."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from longtake.pipeline.fetch.addresses import check_host, refused
from longtake.pipeline.fetch.failure import FetchError, of_status
from longtake.schemas.fetch_config import Fetch
from longtake.schemas.reasons import Reason

if TYPE_CHECKING:
    import httpx

USER_AGENT = "longtake (+https://github.com/longtake/longtake)"
_PAGES = ("text/", "application/xhtml", "application/json", "application/xml", "application/dash+xml")
_PLAYLISTS = ("mpegurl", "dash+xml", "vnd.ms-sstr")  # in a content type


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A file that was fetched: local path, URL after redirects, size in bytes."""

    path: str
    url: str
    size: int


@dataclass(frozen=True, slots=True)
class PlainFacts:
    """What a server says of a file without sending it: URL after redirects, size in bytes if it is stated."""

    url: str
    size: int | None


class Speed:
    """Notices a transfer that hardly moves. `clock` gives seconds."""

    def __init__(self, settings: Fetch, clock: Any = time.monotonic) -> None:
        self._least, self._window, self._clock = settings.min_bytes_per_second, settings.answer_seconds, clock
        self._since, self._bytes = clock(), 0

    def add(self, size: int) -> None:
        """Count bytes that came. Raises FetchError if they came too slowly."""
        self._bytes += size
        passed = self._clock() - self._since
        if passed < self._window:
            return
        if self._bytes < self._least * passed:
            detail = f"{self._bytes} bytes in {passed:.0f} s; fetch.min_bytes_per_second is {self._least}"
            raise FetchError(Reason.NETWORK, detail)
        self._since, self._bytes = self._clock(), 0


def open_client(settings: Fetch, cookies: Any = None) -> "httpx.Client":
    """Return a client with the proxy, cookies and user agent of the settings. Variables of the environment change nothing."""
    import httpx

    return httpx.Client(
        headers={"User-Agent": settings.user_agent or USER_AGENT, "Accept-Encoding": "identity"},
        cookies=cookies,
        proxy=settings.proxy,
        timeout=settings.answer_seconds,
        follow_redirects=False,
        trust_env=False,
    )


def look(client: "httpx.Client", url: str, settings: Fetch) -> PlainFacts | None:
    """Ask for a file's facts. None: it is a page or a playlist. Raises FetchError."""
    with _answer(client, url, settings, {}) as (answer, last):
        with _failures():
            start = next(answer.iter_raw(), b"")
        if is_page(answer.headers, start):
            return None
        return PlainFacts(last, _length(answer))


def download(client: "httpx.Client", url: str, target: str, settings: Fetch) -> PlainFile | None:
    """Fetch a file to `target`, from where an earlier attempt broke off if the server still has the same file.

    Args:
        client: of `open_client`.
        url: http or https.
        target: a local path. Beside it stay `target.part` and `target.json` after an error.
        settings: bounds of the request.

    Returns:
        The file, or None if the answer is a page or a playlist: nothing is kept of it.

    Raises:
        FetchError: it could not be fetched, or is not as long as the server says.
    """
    part = _Part.read(target)
    with _answer(client, url, settings, part.headers()) as (answer, last):
        if answer.status_code == 416:  # nothing is left to send, or the file is another one
            total = _total_of_range(answer)
            if total != part.size:
                part.delete()
                raise FetchError(Reason.TRUNCATED, f"the server has {total} bytes, {part.size} had come", 416)
            return part.complete(last)
        part.begin(answer)
        total = _total_of_range(answer) if part.size else _length(answer)
        _check_size(total, settings)
        first, speed = not part.size, Speed(settings)
        with open(part.path, "ab") as stream, _failures(stream.tell):
            for data in answer.iter_raw():
                if first and is_page(answer.headers, data):
                    part.delete()
                    return None
                first = False
                stream.write(data)
                _check_size(stream.tell(), settings)
                speed.add(len(data))
        size = os.path.getsize(part.path)
        if not size:
            raise FetchError(Reason.EMPTY_FILE, "0 bytes came")
        if total is not None and size != total:
            if size > total:
                part.delete()
            raise FetchError(Reason.TRUNCATED, f"{size} of {total} bytes came")
        return part.complete(last)


def is_page(headers: Mapping[str, str], start: bytes) -> bool:
    """Whether an answer is a page or a playlist that yt-dlp has to read, by its type and first bytes."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if headers.get("content-encoding", "identity") != "identity":  # no server packs a video; yt-dlp unpacks pages
        return True
    head = start[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if any(name in kind for name in _PLAYLISTS) or head.startswith(
        (b"#extm3u", b"<?xml", b"<mpd", b"<!doctype", b"<html")
    ):
        return True
    return kind.startswith(_PAGES) and not _looks_like_media(start)


def _looks_like_media(start: bytes) -> bool:
    return start[4:8] == b"ftyp" or start[:4] in (b"\x1aE\xdf\xa3", b"RIFF", b"OggS", b"FLV\x01") or b"\0" in start[:64]


def check_url(url: str) -> None:
    """Raise FetchError unless a URL is http or https, with a host."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise FetchError(Reason.UNSAFE_URL, f"not a URL: {error}") from None
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise FetchError(Reason.UNSAFE_URL, f"{parts.scheme or 'no scheme'}: only http and https are fetched")
    check_host(host)


@contextmanager
def _answer(
    client: "httpx.Client", url: str, settings: Fetch, headers: dict[str, str]
) -> "Iterator[tuple[httpx.Response, str]]":
    """Yield the answer after redirects, and its URL. Raises FetchError for any other status than 200, 206 and 416 to a range."""
    for _ in range(settings.redirects + 1):
        check_url(url)
        with _failures():
            answer = client.send(client.build_request("GET", url, headers=headers), stream=True)
        try:
            if answer.next_request is not None:
                url = str(answer.next_request.url)
                continue
            if answer.status_code not in (200, 206) and not (answer.status_code == 416 and headers):
                raise of_status(answer.status_code, answer.reason_phrase, answer.headers.get("retry-after"))
            yield answer, url
            return
        finally:
            answer.close()
    raise FetchError(Reason.LIMIT_EXCEEDED, f"more than {settings.redirects} redirects (fetch.redirects)")


@contextmanager
def _failures(size: Any = lambda: 0) -> Iterator[None]:
    """Turn errors of the connection into FetchErrors. `size` says how many bytes have come."""
    import httpx

    try:
        yield
    except FetchError:
        raise
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if (unsafe := refused()) is not None:
            raise unsafe from None
        said = str(error) or type(error).__name__
        if isinstance(error, httpx.RemoteProtocolError) and size():
            raise FetchError(Reason.TRUNCATED, f"the connection ended after {size()} bytes: {said}") from None
        no_url = isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol) or "Invalid URL in location" in said
        reason = Reason.UNSAFE_URL if no_url else Reason.NETWORK
        raise FetchError(reason, f"{type(error).__name__}: {said}") from None


def _check_size(size: int | None, settings: Fetch) -> None:
    if size is not None and size > settings.max_bytes:
        raise FetchError(Reason.LIMIT_EXCEEDED, f"more than {settings.max_bytes} bytes (fetch.max_bytes)")


def _length(answer: "httpx.Response") -> int | None:
    told = answer.headers.get("content-length", "")
    return int(told) if told.isdecimal() else None


def _total_of_range(answer: "httpx.Response") -> int | None:
    told = answer.headers.get("content-range", "").rpartition("/")[2]
    return int(told) if told.isdecimal() else None


class _Part:
    """The bytes of a file that came so far, and what tells whether the server still has the same file."""

    def __init__(self, target: str, size: int = 0, validator: str = "") -> None:
        self.target, self.path, self._note = target, f"{target}.part", f"{target}.json"
        self.size, self._validator = size, validator

    @classmethod
    def read(cls, target: str) -> "_Part":
        part = cls(target)
        with suppress(OSError, ValueError, KeyError, TypeError):
            with open(part._note) as stream:
                note = json.load(stream)
            part = cls(target, os.path.getsize(part.path), str(note["validator"]))
        return part

    def headers(self) -> dict[str, str]:
        """The headers that ask for the rest."""
        return {"Range": f"bytes={self.size}-", "If-Range": self._validator} if self.size and self._validator else {}

    def begin(self, answer: "httpx.Response") -> None:
        """Go on with the part if the answer is the rest of it, else start anew."""
        told = answer.headers.get("content-range", "")
        if answer.status_code == 206 and told.startswith(f"bytes {self.size}-"):
            return
        if answer.status_code == 206:
            self.delete()
            raise FetchError(Reason.TRUNCATED, f"bytes from {self.size} were asked for, {told or 'others'} came")
        self.delete()
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self.size = 0
        tag = answer.headers.get("etag", "")  # a weak one does not promise the same bytes
        self._validator = tag if tag and not tag.startswith("W/") else answer.headers.get("last-modified", "")
        with open(self._note, "w") as stream:
            json.dump({"validator": self._validator}, stream)

    def complete(self, url: str) -> PlainFile:
        """Make the part the file."""
        os.replace(self.path, self.target)
        with suppress(FileNotFoundError):
            os.unlink(self._note)
        return PlainFile(self.target, url, os.path.getsize(self.target))

    def delete(self) -> None:
        for path in (self.path, self._note):
            with suppress(FileNotFoundError):
                os.unlink(path)
