"""Sites: yt-dlp as a library. It reads pages and fetches streams; every choice and every limit is ours.

yt-dlp starts no program here (addresses.guard), so HLS and DASH are fetched by its own downloaders, streams stay as the site has
them, and a second file with sound is joined later (check.py).
"""

import io
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from longtake.pipeline.fetch.addresses import refused
from longtake.pipeline.fetch.choice import (
    Streams,
    Track,
    Wanted,
    bytes_of,
    choose_captions,
    choose_streams,
    is_size_known,
    parts_of,
)
from longtake.pipeline.fetch.facts import Facts, facts_of, stream_of
from longtake.pipeline.fetch.failure import OF_DISK, FetchError, causes_of, of_status, of_words
from longtake.pipeline.fetch.http import Speed, check_url
from longtake.schemas.fetch_config import Fetch
from longtake.schemas.printable import printable
from longtake.schemas.reasons import Reason

_LIVE = {"is_live": "is live", "is_upcoming": "has not begun", "post_live": "was live and is still being processed"}
_NEEDS = {
    "private": Reason.PRIVATE,
    "premium_only": Reason.MEMBERS_ONLY,
    "subscriber_only": Reason.MEMBERS_ONLY,
    "needs_auth": Reason.FORBIDDEN,
}
_PIECES_RETRIED = 2  # times for one piece of a stream, before the whole attempt counts as failed
_MAX_CAPTIONS = 64 << 20
_KEPT_ERRORS = 3


@dataclass(frozen=True, slots=True)
class Page:
    """A video of a site: yt-dlp's description, what we take of it, and what is chosen."""

    info: dict[str, Any]
    facts: Facts
    streams: Streams | None
    track: Track | None


class Site:
    """yt-dlp with our limits, for one process. `cookies` is the text of a cookies file."""

    def __init__(self, settings: Fetch, cookies: str | None, captions: bool) -> None:
        from yt_dlp import YoutubeDL

        self._settings = settings
        self._said = _Said()
        self._ydl = YoutubeDL(_parameters(settings, cookies, captions, self._said))
        self._refuse_ffmpeg()

    @property
    def cookies(self) -> Any:
        """The cookie jar, for plain links."""
        return self._ydl.cookiejar

    def knows(self, url: str) -> bool:
        """Whether yt-dlp has an extractor for this very site."""
        return any(kind.suitable(url) and name != "Generic" and kind.working() for name, kind in self._ydl._ies.items())

    def look(self, url: str, wanted: Wanted, with_video: bool = True) -> Page:
        """Ask a site for its video, and choose streams and captions. Without `with_video`, captions alone. Raises FetchError."""
        check_url(url)
        info = self._tried(lambda: self._extract(url))
        if info.get("live_status") in _LIVE:
            raise FetchError(Reason.LIVE, f"the video {_LIVE[info['live_status']]}")
        facts = facts_of(info)
        streams = choose_streams(info.get("formats") or [info], wanted, facts.duration_s) if with_video else None
        if streams is None and with_video:
            reason = _NEEDS.get(str(info.get("availability")), Reason.DRM if info.get("_has_drm") else Reason.NO_MEDIA)
            raise FetchError(reason, "the site has no stream with pictures that can be fetched")
        for one in parts_of(streams) if streams else ():
            check_url(str(one.get("url") or one.get("manifest_url") or ""))
        track = choose_captions(info.get("subtitles") or {}, info.get("automatic_captions") or {}, wanted)
        told = (
            None
            if track is None
            else {"language": track.language, "format": track.form, "automatic": track.is_automatic}
        )
        stream, size = _chosen(streams, facts.duration_s)
        return Page(info, facts.with_choice(stream, size, told), streams, track)

    def fetch(self, page: Page, folder: str) -> list[str]:
        """Fetch the chosen streams, one file each, and return their paths. Pieces that are there are used. Raises FetchError."""
        paths = []
        for number, one in enumerate(parts_of(page.streams) if page.streams else ()):
            path = os.path.join(
                folder, f"stream-{number}-{_safe(str(one.get('format_id')))}.{_safe(str(one.get('ext')))}"
            )
            if not os.path.exists(path):
                self._tried(partial(self._download, path, page.info, one))
            paths.append(path)
        return paths

    def captions(self, page: Page, track: Track, path: str) -> bytes:
        """Fetch captions of a page, by way of a file at `path`. Raises FetchError."""
        if track.description.get("data") is not None:
            return str(track.description["data"]).encode()
        check_url(str(track.description["url"]))
        self._tried(lambda: self._download(path, page.info, track.description, subtitle=True))
        with open(path, "rb") as stream:
            data = stream.read(_MAX_CAPTIONS + 1)
        os.unlink(path)
        if len(data) > _MAX_CAPTIONS:
            raise FetchError(Reason.LIMIT_EXCEEDED, f"captions of more than {_MAX_CAPTIONS} bytes")
        return data

    def _extract(self, url: str) -> dict[str, Any]:
        info: dict[str, Any] | None = self._ydl.extract_info(url, download=False)
        entries = list((info or {}).get("entries") or ())[:2] if info and info.get("_type") == "playlist" else None
        if entries is not None:
            if len(entries) > 1:
                raise FetchError(Reason.SEVERAL_VIDEOS, "it holds several videos; list each by a URL of its own")
            if not entries or entries[0] is None:
                raise FetchError(Reason.NO_MEDIA, "it holds no video")
            info = self._ydl.process_ie_result(entries[0], download=False)
        if info is None:
            raise FetchError(Reason.NO_MEDIA, self._said.last() or "yt-dlp found nothing")
        return info

    def _download(self, path: str, info: Mapping[str, Any], part: Mapping[str, Any], subtitle: bool = False) -> None:
        hooks = self._ydl._progress_hooks
        hooks[:] = [_Bounds(self._settings).check]
        whole = {name: value for name, value in info.items() if name not in ("formats", "requested_formats", "entries")}
        merged = whole | dict(part) if not subtitle else {**whole, "protocol": None, "is_live": None, **part}
        done, _ = self._ydl.dl(path, merged, subtitle=subtitle)
        if not done or not os.path.exists(path):
            raise of_words(self._said.last() or "yt-dlp did not finish the file and gave no reason")

    def _tried(self, work: Any) -> Any:
        """Do work of yt-dlp. Raises FetchError for whatever it raises."""
        self._said.clear()
        refused()
        try:
            return work()
        except (MemoryError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise self._explained(error) from None

    def _explained(self, error: BaseException) -> FetchError:
        from yt_dlp.networking.exceptions import HTTPError, IncompleteRead, TransportError
        from yt_dlp.utils import GeoRestrictedError, UnsupportedError, UserNotLive

        if (unsafe := refused()) is not None:
            return unsafe
        causes = list(causes_of(error))
        said = self._said.last() or str(error)
        for one in causes:
            if isinstance(one, FetchError):
                return one
        for one in causes:
            if isinstance(one, HTTPError):
                return of_status(one.status, one.reason or said, one.response.headers.get("Retry-After"))
        for kinds, reason in (
            (GeoRestrictedError, Reason.GEO_BLOCKED),
            (UnsupportedError, Reason.NO_MEDIA),
            (UserNotLive, Reason.LIVE),
            (IncompleteRead, Reason.TRUNCATED),
            (TransportError, Reason.NETWORK),
        ):
            if any(isinstance(one, kinds) for one in causes):
                return FetchError(reason, said)
        for one in causes:
            if isinstance(one, OSError) and one.errno in OF_DISK:
                raise OSError(one.errno, one.strerror)
            if isinstance(one, ConnectionError | TimeoutError):
                return FetchError(Reason.NETWORK, said)
        return of_words(said)

    def _refuse_ffmpeg(self) -> None:
        """Make the downloader of HLS say what it cannot do, instead of handing it to ffmpeg, which connects without a guard."""
        from yt_dlp.downloader import hls

        hls.FFmpegFD = _NoFfmpeg


class _NoFfmpeg:
    """Stands for the downloader by ffmpeg."""

    def __init__(self, *_: Any) -> None: ...

    @staticmethod
    def available(*_: Any) -> bool:
        return False

    @staticmethod
    def get_basename() -> str:
        return "ffmpeg"

    def real_download(self, *_: Any) -> bool:
        raise FetchError(
            Reason.NO_MEDIA, "the stream needs a downloader that longtake does not use (live or encrypted HLS)"
        )


class _Said:
    """What yt-dlp logs: nothing is printed, the last errors are kept."""

    def __init__(self) -> None:
        self._errors: list[str] = []

    def debug(self, _: str) -> None: ...

    def warning(self, _: str) -> None: ...

    def error(self, text: str) -> None:
        self._errors = [*self._errors[1 - _KEPT_ERRORS :], text]

    def clear(self) -> None:
        self._errors = []

    def last(self) -> str:
        return printable(self._errors[-1]).removeprefix("ERROR: ") if self._errors else ""


class _Bounds:
    """Ends a transfer of yt-dlp that is too large or too slow."""

    def __init__(self, settings: Fetch) -> None:
        self._most, self._speed, self._before = settings.max_bytes, Speed(settings, time.monotonic), 0

    def check(self, status: Mapping[str, Any]) -> None:
        size = int(status.get("downloaded_bytes") or 0)
        total = status.get("total_bytes") or 0
        if max(size, total) > self._most:
            raise FetchError(Reason.LIMIT_EXCEEDED, f"more than {self._most} bytes (fetch.max_bytes)")
        self._speed.add(max(size - self._before, 0))
        self._before = size


def _parameters(settings: Fetch, cookies: str | None, captions: bool, said: _Said) -> dict[str, Any]:
    return {
        "logger": said,
        "quiet": True,
        "noprogress": True,
        "no_color": True,
        "cachedir": False,
        "noplaylist": True,
        "extract_flat": "in_playlist",
        "playlist_items": "1:2",
        "lazy_playlist": True,
        "format": lambda context: list(context["formats"])[-1:],  # the choice is made later, of all
        "external_downloader": "native",
        "hls_prefer_native": True,
        "skip_unavailable_fragments": False,
        "retries": 0,
        "extractor_retries": 0,
        "fragment_retries": _PIECES_RETRIED,
        "socket_timeout": settings.answer_seconds,
        "continuedl": True,
        "overwrites": True,
        "updatetime": False,
        "writesubtitles": captions,
        "writeautomaticsub": captions and settings.automatic_captions,
        "cookiefile": io.StringIO(cookies) if cookies else None,
        "proxy": settings.proxy or "",  # "" is none: variables of the environment change nothing
        "geo_bypass": False,
        **({"http_headers": {"User-Agent": settings.user_agent}} if settings.user_agent else {}),
    }


def _chosen(streams: Streams | None, duration_s: float | None) -> tuple[dict[str, Any] | None, int | None]:
    if streams is None:
        return None, None
    parts = parts_of(streams)
    known = all(is_size_known(one, duration_s) for one in parts)
    size = round(sum(bytes_of(one, duration_s) for one in parts)) if known else None
    return stream_of(streams.video, streams.sound, streams.of), size


def _safe(name: str) -> str:
    """A site's name of a format as part of a file name."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name)[:40]
