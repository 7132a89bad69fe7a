"""One video from its URL to its record: attempts, pauses, checks, and files at their places. No Beam."""

import hashlib
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from longtake.pipeline.decode import SourceError
from longtake.pipeline.fetch import places, work
from longtake.pipeline.fetch.check import Checked, check_files
from longtake.pipeline.fetch.choice import Wanted
from longtake.pipeline.fetch.facts import Facts
from longtake.pipeline.fetch.failure import FetchError
from longtake.pipeline.fetch.hosts import Hosts
from longtake.pipeline.fetch.record import FetchRecord, StoredFile
from longtake.pipeline.fetch.request import Request, host_of
from longtake.pipeline.run.slots import SlotCrashed, Slots, SlotTimeout
from longtake.pipeline.run.sources import in_slot
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.reasons import Reason

T = TypeVar("T")

_LONGEST_BACKOFF = 64  # times the first


def wanted_of(config: CorpusConfig) -> Wanted:
    """Return what a corpus needs of each video."""
    settings, text = places.settings_of(config), config.source.text
    return Wanted(
        short_side=config.frames.short_side,
        sound=config.filters.min_audio is not None or text.hears,
        hdr=config.frames.hdr != "drop",
        captions=_CAPTIONS.get(text.format, ()) if text.paths else (),
        languages=settings.languages or text.languages or ("en",),
        automatic=settings.automatic_captions,
    )


#: Formats of captions that sites have, in order, by `source.text.format`; json3 first, because it has the times of words.
_CAPTIONS = {
    "auto": ("json3", "srv3", "vtt", "srt", "ttml", "ass", "srv1"),
    "vtt": ("vtt",),
    "srt": ("srt",),
    "json3": ("json3",),
    "srv3": ("srv3", "srv2", "srv1"),
    "ttml": ("ttml", "dfxp"),
    "ass": ("ass", "ssa"),
}


class Fetcher:
    """Fetches videos of one configuration. Threads may share it.

    Args:
        config: has `source.fetch`.
        network: child processes that connect (work.py).
        decoders: child processes that open files.
        hosts: the limits of hosts.
        versions: of the software, for records.
        wait: waits some seconds.
    """

    def __init__(
        self,
        config: CorpusConfig,
        network: Slots,
        decoders: Slots,
        hosts: Hosts,
        versions: dict[str, str],
        wait: Callable[[float], Any] = time.sleep,
    ) -> None:
        self._config, self._settings, self._wanted = config, places.settings_of(config), wanted_of(config)
        self._network, self._decoders, self._hosts = network, decoders, hosts
        self._versions, self._wait = versions, wait
        self._layout = places.fetch_layout(config)
        cookies = self._settings.cookies
        self._cookies = storage.read_bytes(config.resolve(cookies)).decode("utf-8", "replace") if cookies else None

    def look(self, request: Request) -> Facts:
        """Return what is known of a video without fetching it. Raises FetchError, with the number of attempts."""
        found, _ = self._attempts(request, lambda: self._in_child(work.look, self._task(request)))
        return found

    def fetch(self, request: Request) -> FetchRecord:
        """Fetch a video, store its files and return its record, which is stored too. A failure is a record with a reason."""
        return self._kept(self._fetched(request))

    def add_captions(self, request: Request, known: FetchRecord) -> FetchRecord:
        """Ask for the captions of a video that is here; store them and its record. After a failure, the next run asks again."""
        task = replace(self._task(request), with_video=False)
        try:
            got, _ = self._attempts(request, lambda: self._in_child(work.fetch, task))
        except FetchError as error:
            return replace(known, detail=str(error))
        finally:
            work.forget(task.folder)
        found = replace(known.found or got.facts, captions=got.facts.captions)
        record = replace(
            known, captions=self._captions(request, got) or known.captions, found=found, detail=got.captions_error
        )
        return self._kept(replace(record, captions_for=self._wanted.captions_for))

    def _kept(self, record: FetchRecord) -> FetchRecord:
        storage.write_bytes(places.record_path(self._layout, record.video_id), record.to_bytes())
        return record

    def _fetched(self, request: Request) -> FetchRecord:
        task = self._task(request)
        there = self._there(request)
        if there is not None:
            task = replace(task, with_video=False)
        try:
            (got, checked), attempts = self._attempts(request, lambda: self._got(task))
            record = self._stored(request, got, checked, there)
        except FetchError as error:
            if not error.is_transient:
                work.forget(task.folder)
            failed = FetchRecord(request.video_id, request.said_url, _now(), detail=str(error), versions=self._versions)
            if there is not None and not error.is_transient:  # the URL is gone, and the file is here
                return replace(failed, video=there[0], measured=there[1])
            return replace(failed, reason=error.reason, attempts=error.attempt)
        work.forget(task.folder)
        return replace(record, attempts=attempts)

    def _got(self, task: work.Task) -> tuple[work.Got, Checked | None]:
        got = self._in_child(work.fetch, task)
        if not got.paths:
            return got, None
        try:
            return got, self._checked(got.paths, got.facts.duration_s)
        except FetchError:
            work.forget(task.folder)  # what is wrong would stay wrong
            raise

    def _checked(self, paths: Sequence[str], duration_s: float | None) -> Checked:
        limits = self._config.limits
        try:
            return in_slot(self._decoders, limits.decode_seconds, check_files, paths, duration_s, limits)
        except SourceError as error:
            raise FetchError(error.reason, error.detail) from None

    def _stored(
        self,
        request: Request,
        got: work.Got,
        checked: Checked | None,
        there: tuple[StoredFile, dict[str, Any]] | None,
    ) -> FetchRecord:
        config = self._config
        video, measured = there or (None, {})
        if checked is not None:
            ending = places.ending_of(checked.container, checked.path.rpartition(".")[2])
            uri = places.video_uri(places.template_of(config), request.video_id, ending)
            _put(checked.path, config.resolve(uri))
            video, measured = StoredFile(uri, checked.size, checked.sha256), checked.measured
        chosen = got.facts.stream is not None and got.facts.stream["of"] > 1
        return FetchRecord(
            request.video_id,
            request.said_url,
            _now(),
            video=video,
            captions=self._captions(request, got),
            captions_for=self._wanted.captions_for,
            found=got.facts,
            measured=measured,
            short_side=self._wanted.short_side if chosen else 0,
            sound=self._wanted.sound if chosen else True,
            detail=got.captions_error,
            versions=self._versions,
        )

    def _captions(self, request: Request, got: work.Got) -> StoredFile | None:
        """Store the captions that came, if any did."""
        told, paths = got.facts.captions, self._config.source.text.paths
        if got.captions is None or told is None or not paths:
            return None
        uri = places.captions_uri(paths[0], request.video_id, told["language"], told["format"])
        storage.write_bytes(self._config.resolve(uri), got.captions)
        return StoredFile(uri, len(got.captions), _sha256(got.captions))

    def _there(self, request: Request) -> tuple[StoredFile, dict[str, Any]] | None:
        """The file, and its facts, that stands at the place of a video without a record: another program put it there, or a run
        that was killed. It is neither fetched nor replaced, unless it is no video."""
        template = places.template_of(self._config)
        if "{ext}" in template or template.endswith("*"):
            return None
        uri = places.video_uri(template, request.video_id, template.rpartition(".")[2])
        path = self._config.resolve(uri)
        if not storage.is_file(path) or storage.exists(places.record_path(self._layout, request.video_id)):
            return None
        if storage.is_remote(path):
            return StoredFile(uri, storage.size_and_tag(path)[0], ""), {}
        try:
            found = self._checked([storage.local_path(path)], None)
        except FetchError:
            return None
        return StoredFile(uri, found.size, found.sha256), found.measured

    def _task(self, request: Request) -> work.Task:
        licence = request.fields.get("license")
        return work.Task(
            request.url,
            places.part_folder(self._layout, request.video_id, request.url),
            licence if isinstance(licence, str) else "",
            self._wanted,
            self._settings,
            self._cookies,
        )

    def _in_child(self, do: Callable[[work.Task], T], task: work.Task) -> T:
        try:
            with self._hosts.turn(host_of(task.url)):
                return self._network.run(self._settings.seconds, do, task)
        except SlotTimeout as error:
            raise FetchError(Reason.TIMEOUT, f"{error} (fetch.seconds)") from None
        except SlotCrashed as error:
            raise FetchError(Reason.DECODER_CRASHED, f"the process that fetched it: {error}") from None
        except MemoryError:
            raise FetchError(Reason.OUT_OF_MEMORY, "reading the page takes more than limits.memory_bytes") from None

    def _attempts(self, request: Request, do: Callable[[], T]) -> tuple[T, int]:
        """Return the result of `do` and the number of attempts. Raises the last FetchError, which then names the attempt."""
        settings = self._settings
        for attempt in range(1, settings.attempts + 1):
            try:
                return do(), attempt
            except FetchError as error:
                wait = error.retry_after if error.retry_after is not None else self._backoff(attempt)
                if error.is_of_host:
                    self._hosts.pause(host_of(request.url), min(wait, settings.max_wait_seconds))
                if not error.is_transient or attempt == settings.attempts or wait > settings.max_wait_seconds:
                    raise _numbered(error, attempt, settings.attempts, wait, settings.max_wait_seconds) from None
                if not error.is_of_host:
                    self._wait(wait)
        raise AssertionError("unreachable")

    def _backoff(self, attempt: int) -> float:
        factor: float = min(2 ** (attempt - 1), _LONGEST_BACKOFF) * random.uniform(0.5, 1)  # noqa: S311
        return self._settings.backoff_seconds * factor


def _numbered(error: FetchError, attempt: int, attempts: int, wait: float, longest: float) -> FetchError:
    message = error.message
    if error.retry_after is not None and wait > longest:
        message += f" (it asks to wait {wait:.0f} s; fetch.max_wait_seconds is {longest:g})"
    if error.is_transient:
        message += f" (attempt {attempt} of {attempts})"
    return FetchError(error.reason, message, error.status, error.retry_after, attempt)


def _put(path: str, uri: str) -> None:
    with storage.writing(uri) as temporary:
        shutil.move(path, temporary)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
