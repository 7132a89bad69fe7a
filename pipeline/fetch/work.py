"""The work of a child process: one video from the web to a local folder. `guard` bounds all that happens here."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from longtake.pipeline.fetch import http
from longtake.pipeline.fetch.addresses import guard, refused
from longtake.pipeline.fetch.choice import Wanted
from longtake.pipeline.fetch.facts import Facts
from longtake.pipeline.fetch.failure import OF_DISK, FetchError
from longtake.pipeline.fetch.places import is_media
from longtake.pipeline.fetch.site import Site
from longtake.pipeline.run.events import redacted
from longtake.schemas.fetch_config import Fetch
from longtake.schemas.reasons import Reason

if TYPE_CHECKING:
    import httpx

_KEPT_S = 600.0  # an open client is used so long
_CAPTIONS = "captions"


@dataclass(frozen=True, slots=True)
class Task:
    """One video to fetch.

    Attributes:
        url: http or https.
        folder: local, for what comes.
        license: of the record, if it states one.
        wanted: what the corpus needs.
        settings: bounds of the requests.
        cookies: the text of the cookies file.
        with_video: False: the video is there; only facts and captions are wanted.
    """

    url: str
    folder: str
    license: str
    wanted: Wanted
    settings: Fetch
    cookies: str | None = None
    with_video: bool = True


@dataclass(frozen=True, slots=True)
class Got:
    """What came: files with streams, captions, and what went wrong with those."""

    facts: Facts
    paths: tuple[str, ...] = ()
    captions: bytes | None = None
    captions_error: str = ""


def look(task: Task) -> Facts:
    """Return what a server or a site says of a video, without fetching it. Raises FetchError."""
    with _blaming_the_url():
        return _look(task)


def fetch(task: Task) -> Got:
    """Fetch the streams and captions of a video to the folder of the task. What came earlier is used. Raises FetchError."""
    with _blaming_the_url():
        return _fetch(task)


@contextmanager
def _blaming_the_url() -> Iterator[None]:
    """Turn errors raised inside into FetchErrors, except those of the disk and of memory: a URL never ends the job."""
    try:
        yield
    except (FetchError, MemoryError):
        raise
    except OSError as error:
        if error.errno in OF_DISK:
            raise
        raise FetchError(Reason.NETWORK, f"{type(error).__name__}: {error}") from None
    except Exception as error:
        raise FetchError(Reason.NO_MEDIA, f"{type(error).__name__}: {error}") from None


def _look(task: Task) -> Facts:
    tools = _opened(task)
    plain = None if _is_of_site(task, tools) else http.look(tools.client, task.url, task.settings)
    if plain is not None:
        _check_licence(task)
        return Facts("link", redacted(plain.url), bytes=plain.size)
    page = tools.site.look(task.url, task.wanted)
    _check_licence(task, page.facts.license)
    return page.facts


def _fetch(task: Task) -> Got:
    tools = _opened(task)
    os.makedirs(task.folder, exist_ok=True)
    if not _is_of_site(task, tools) and (got := _fetch_link(task, tools)) is not None:
        return got
    page = tools.site.look(task.url, task.wanted, task.with_video)
    _check_licence(task, page.facts.license)
    paths = tools.site.fetch(page, task.folder)
    captions, error = None, ""
    if page.track is not None:
        try:
            captions = tools.site.captions(
                page, page.track, os.path.join(task.folder, f"{_CAPTIONS}.{page.track.form}")
            )
        except FetchError as failure:
            if failure.is_transient:
                raise
            error = str(failure)
    return Got(page.facts, tuple(paths), captions=captions, captions_error=error)


def _fetch_link(task: Task, tools: "_Tools") -> Got | None:
    """Fetch a plain link; None if it is a page."""
    no_licence = bool(task.settings.licences) and not task.license
    if no_licence or not task.with_video:  # nothing of a file may come
        if http.look(tools.client, task.url, task.settings) is None:
            return None
        _check_licence(task)
        if not task.with_video:
            return Got(Facts("link", redacted(task.url)))
    plain = http.download(tools.client, task.url, os.path.join(task.folder, f"link.{_ending(task.url)}"), task.settings)
    if plain is None:
        return None
    return Got(Facts("link", redacted(plain.url), bytes=plain.size), (plain.path,))


def forget(folder: str) -> None:
    """Delete what came of a video."""
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(slots=True)
class _Tools:
    key: Any
    opened: float
    site: Site
    client: "httpx.Client"


_kept: list[_Tools] = []


def _opened(task: Task) -> _Tools:
    """The clients of this process, with open connections; new ones for other settings. Raises FetchError if the record states a
    licence that is not allowed."""
    if task.license:
        _check_licence(task)
    settings = task.settings
    key = (settings, task.cookies, bool(task.wanted.captions))
    proxy = urlsplit(settings.proxy) if settings.proxy else None
    place = (str(proxy.hostname), proxy.port or (443 if proxy.scheme == "https" else 80)) if proxy else None
    if _kept and _kept[0].key == key and time.monotonic() - _kept[0].opened < _KEPT_S:
        refused()
        return _kept[0]
    guard(settings.allow_private, place)
    site = Site(settings, task.cookies, bool(task.wanted.captions))
    _kept[:] = [_Tools(key, time.monotonic(), site, http.open_client(settings, site.cookies))]
    return _kept[0]


def _check_licence(task: Task, found: str = "") -> None:
    """Raise FetchError if the licence of the record, else the one that was found, is none of those allowed."""
    allowed, licence = task.settings.licences, task.license or found
    if not allowed or any(fnmatchcase(licence.casefold(), pattern.casefold()) for pattern in allowed):
        return
    told = f"its licence is {licence!r}" if licence else "no licence is stated"
    raise FetchError(Reason.OTHER_LICENCE, f"{told}; fetch.licences allows {', '.join(allowed)}")


def _is_of_site(task: Task, tools: _Tools) -> bool:
    """Whether a URL is asked of yt-dlp at once. A link to a file is not, whatever the site: it may be one."""
    return not is_media(_ending(task.url)) and tools.site.knows(task.url)


def _ending(url: str) -> str:
    ending = os.path.splitext(urlsplit(url).path)[1].lstrip(".").lower()
    return ending if ending.isascii() and ending.isalnum() and len(ending) <= 8 else "bin"
