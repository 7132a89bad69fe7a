"""What is asked for: a line of the list, as a URL or a record, becomes a request, or a ledger row."""

import hashlib
import json
import posixpath
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from longtake.pipeline.parse.lines import Line, bad_record, canonical_json, parse_json, quoted, where
from longtake.pipeline.parse.manifest import safe_uri
from longtake.pipeline.parse.texts import parse_id
from longtake.pipeline.run.events import redacted
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, compact

_MAX_URL = 4096
_YOUTUBE = re.compile(r"(?:^|\.)(?:youtube(?:-nocookie)?\.com|youtu\.be)$")
_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@compact
@dataclass(frozen=True, slots=True, order=True)
class Request:
    """One video to fetch: its record as canonical JSON, and the place of its line. An empty `url`: the record names a file of its
    own and is only handed on."""

    video_id: str
    url: str
    record: str
    where: str

    @property
    def said_url(self) -> str:
        """The URL as records say it: without credentials."""
        return redacted(self.url)

    @property
    def fields(self) -> dict[str, Any]:
        """The record."""
        return dict(json.loads(self.record))


def parse_request(line: Line, template: str) -> Request | Drop | None:
    """Return the request of a line; a Drop if it cannot be used; None for an empty line or a comment (#).

    A line is a URL, or a JSON object with "url" and, if it has one, "video_id". A record with a "uri" that is no URL has its file
    already. Without an id, the URL gives one: YouTube's own, else a name and a digest of the URL.
    """
    record = _record(line)
    if record is None or isinstance(record, Drop):
        return record
    try:
        return _request(record, where(line), template)
    except ValueError as error:
        return bad_record(line, Reason.MALFORMED, str(error), parse_id(record.get("video_id")) or "")


def _request(record: dict[str, Any], place: str, template: str) -> Request | Drop:
    """Return the request of a record. Raises ValueError if it cannot be used."""
    given, url, uri = record.get("video_id"), record.get("url"), record.get("uri")
    video_id = parse_id(given)
    if given is not None and video_id is None:
        raise ValueError(f'"video_id" must be a text of 1 to 512 characters, not {quoted(given)}')
    if isinstance(uri, str) and uri and not _is_web(uri):
        if video_id is None:
            raise ValueError('has a "uri" and no "video_id"')
        return Request(video_id, "", canonical_json(record, strict=False), place)
    url = url or uri
    if not url:
        raise ValueError('has no "url"')
    if not isinstance(url, str):
        raise ValueError(f'"url" must be a URL, not {quoted(url)}')
    if len(url) > _MAX_URL or _CONTROL.search(url):
        raise ValueError(f"{quoted(url)} is no URL: it is too long, or holds a space or control character")
    _ = urlsplit(url).port  # raises ValueError, as a broken address does
    video_id = video_id or id_of(url)
    try:
        safe_uri(None, video_id, template)
    except ValueError:
        raise ValueError(f"video id {quoted(video_id)} is not safe as a file name; give the record another") from None
    if not _is_web(url):
        detail = f"{place}: {quoted(url)}: only http and https are fetched"
        return Drop(video_id, Subject.VIDEO, video_id, Stage.FETCH, Reason.UNSAFE_URL, detail)
    return Request(video_id, url, canonical_json({**record, "video_id": video_id}, strict=False), place)


def id_of(url: str) -> str:
    """Return an id for a URL: YouTube's own, else the last part of its path and a digest. Raises ValueError if it is none."""
    parts = urlsplit(url)
    last = unquote(parts.path).rstrip("/").rpartition("/")[2]
    if _YOUTUBE.search((parts.hostname or "").lower()):
        for candidate in (*parse_qs(parts.query).get("v", ()), last):
            if _YOUTUBE_ID.fullmatch(candidate):
                return str(candidate)
    name = _UNSAFE.sub("-", posixpath.splitext(last)[0]).strip("-")
    digest = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{name[:60]}-{digest}" if name else digest


def host_of(url: str) -> str:
    """Return the host that is asked first, whose limits hold."""
    return (urlsplit(url).hostname or "").lower()


def _is_web(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _record(line: Line) -> dict[str, Any] | Drop | None:
    if not isinstance(line.data, bytes) or line.data.lstrip(b"\xef\xbb\xbf \t").startswith((b"{", b"[")):
        return parse_json(line)
    try:
        text = line.data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return bad_record(line, Reason.INVALID_UTF8, "is not UTF-8; save the file as UTF-8")
    return {"url": text} if text and not text.startswith("#") else None
