"""Calls to object stores. A failure that may pass is tried again; any other is explained in one line.

gcsfs and s3fs also try again, each in its own way and not after every failure that may pass; this module does so on top. It
recognises their exceptions by name and status, so neither library must be installed.
"""

import errno
import io
import logging
import os
import random
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import fsspec

from longtake.schemas import paths
from longtake.schemas.errors import MissingExtraError
from longtake.schemas.extras import missing_extra
from longtake.schemas.waiting import waiting

T = TypeVar("T")

ATTEMPTS = 6
#: No new attempt starts this long after the first one began. One attempt of a library may itself take a minute.
PATIENCE_SECONDS = 120.0
_FIRST_PAUSE = 0.5  # seconds; doubled each time, and shortened at random so that workers do not all come back together
_TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_TRANSIENT_KINDS = frozenset(
    {
        "TimeoutError",
        "Timeout",
        "ConnectionError",  # of Python, requests and botocore
        "ClientConnectionError",
        "ClientPayloadError",
        "HTTPClientError",
        "ChunkedEncodingError",
        "ProxyError",
        "IncompleteRead",
        "ResponseParserError",
        "TransportError",
        "ChecksumError",
    }
)
_NO_CREDENTIALS = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "TokenRetrievalError",
        "ProfileNotFound",
        "SSOError",
        "DefaultCredentialsError",
        "RefreshError",
    }
)
_NO_REPOSITORY = frozenset({"RepositoryNotFoundError", "RevisionNotFoundError"})  # of the hub's client
_BAD_KEYS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed"}
)
_WRONG_CLOCK, _CLOCKS_MAY_DIFFER_S = "RequestTimeTooSkewed", 900.0  # S3's code and limit
_FULL = frozenset({"InsufficientStorage", "XMinioStorageFull"})  # of S3 servers on disks
_TRANSIENT_ERRNO = frozenset(
    {errno.EBUSY, errno.EREMOTEIO, errno.ETIMEDOUT}
)  # s3fs raises these for SlowDown, InternalError
_BLOCK = 256 << 10
_BLOCKS_KEPT = 64
_BLOCKS_AHEAD = 16  # most blocks fetched at once in sequential reading
_CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the machine a role",
    "hf": "run `hf auth login`, or set HF_TOKEN to a token that may read, and to publish write, this repository",
    "gs": "run `gcloud auth application-default login`, set GOOGLE_APPLICATION_CREDENTIALS, or use a service account",
}


class StorageError(OSError):
    """Storage refused an operation; the message says which path and what to do."""


class UnreachableError(StorageError):
    """Storage did not answer after several attempts, or still answered that it is overloaded."""


class CredentialsError(StorageError):
    """There are no credentials, or storage does not know them."""


class AccessError(StorageError, PermissionError):
    """The credentials are valid, but do not allow this operation."""


class BucketError(StorageError, FileNotFoundError):
    """There is no such bucket."""


def filesystem(path: str) -> Any:
    """Return the fsspec file system of a remote `path`. Raises StorageError for an unknown scheme or a missing library."""
    kind = paths.scheme(path)
    if kind not in paths.SCHEMES:
        raise StorageError(f"{path}: cannot use {kind}://; use a local path, gs://, s3:// or hf://")
    if kind == "gs":
        os.environ.setdefault(
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false"
        )  # true: it first asks about every bucket over gRPC
        logging.getLogger("gcsfs").setLevel(
            logging.CRITICAL
        )  # it prints a traceback for errors that are tried again or explained below
    # The hub's client caches what it lists, and reads ahead; the other two look anew, since others write to the same folders.
    options = {"block_size": _BLOCK} if kind == "hf" else {"use_listings_cache": False}
    try:
        return fsspec.filesystem(kind, **options)
    except ImportError as error:
        package, extra = {"gs": ("gcsfs", "gcp"), "s3": ("s3fs", "aws"), "hf": ("huggingface_hub", "hub")}.get(
            kind, (error.name or kind, "")
        )
        raise missing_extra(path, package, *filter(None, [extra])) from None


def check_writable(path: str) -> None:
    """Raise StorageError if nothing can be written to this storage file by file."""
    if paths.scheme(path) in paths.READ_ONLY:
        raise StorageError(
            f"{path}: can only be read. Write to a local path, gs:// or s3://, then use: longtake publish"
        )


def forget_listings(path: str) -> None:
    """Look anew from now on, since something was written beside this module."""
    filesystem(path).invalidate_cache()


def attempt(path: str, work: Callable[[Any], T]) -> T:
    """Return `work(filesystem)`, repeated after failures that may pass. `work` must be safe to repeat.

    Raises FileNotFoundError, or a StorageError of one line that says what to do.
    """
    with waiting(path, ATTEMPTS, PATIENCE_SECONDS) as wait:
        while True:
            try:
                return work(filesystem(path))
            except (StorageError, MissingExtraError):
                raise
            except Exception as error:
                waited = time.monotonic() - wait.start
                if not is_transient(error):
                    raise _explained(path, error) from None
                if wait.number == ATTEMPTS or waited > PATIENCE_SECONDS:
                    raise UnreachableError(
                        f"{path}: storage failed {wait.number} times in {waited:.0f} s, last with {_said(error)}. "
                        "Run the same command again later: it goes on where it was."
                    ) from None
                wait.error = _said(error)
                time.sleep(_FIRST_PAUSE * 2 ** (wait.number - 1) * random.uniform(0.5, 1))  # noqa: S311
                wait.number += 1


def create(path: str, data: bytes) -> bool:
    """Write a small file if nothing is at `path`; return whether this call wrote it. Of several at once, the store lets one win.

    False also follows a lost answer to a request that did write: compare what is there. Raises StorageError.
    """

    def work(files: Any) -> bool:
        try:
            files.pipe_file(path, data, mode="create")
        except FileExistsError:
            return False
        except Exception as error:
            if _status(error) == 412:
                return False
            if _status(error) == 409:  # S3, while another request for the same name is under way
                raise ConnectionError(_said(error)) from error
            raise
        return True

    return attempt(path, work)


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: after timeouts, broken connections, 429 and 5xx. Never after a refusal of the storage."""
    status = _status(error)
    if status is not None:
        return status in _TRANSIENT_STATUS
    if isinstance(error, (FileNotFoundError, PermissionError)):
        return False
    kinds = {kind.__name__ for one in _causes(error) for kind in type(one).__mro__}
    if kinds & _NO_CREDENTIALS:
        return bool(getattr(error, "retryable", False))
    return bool(kinds & _TRANSIENT_KINDS) or getattr(error, "errno", None) in _TRANSIENT_ERRNO


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and the exceptions that caused it."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__


def _status(error: BaseException) -> int | None:
    """The HTTP status of the storage's answer, if there is one."""
    for one in _causes(error):
        answer = getattr(one, "response", None)
        found = answer.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(answer, dict) else None
        of_answer = getattr(answer, "status_code", None)  # of the hub's client
        for value in (found, of_answer, getattr(one, "code", None), getattr(one, "status", None)):
            if str(value).isdecimal() and 100 <= int(str(value)) < 600:
                return int(str(value))
        if isinstance(one, OSError) and str(one).startswith("Forbidden:"):  # gcsfs
            return 403
    return None


def _clock_is_wrong(error: BaseException) -> bool:
    """Whether the answer has another time than this machine; a refused HEAD has no code."""
    for one in _causes(error):
        answer = getattr(one, "response", None)
        date = (
            answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date") if isinstance(answer, dict) else None
        )
        if date is not None:
            return abs(parsedate_to_datetime(date).timestamp() - time.time()) > _CLOCKS_MAY_DIFFER_S - 5
    return False


def _code(error: BaseException) -> str:
    """The error code of S3, such as NoSuchBucket; "" if there is none."""
    for one in _causes(error):
        answer = getattr(one, "response", None)
        if isinstance(answer, dict):
            return str(answer.get("Error", {}).get("Code", ""))
    return ""


def _said(error: BaseException) -> str:
    """Kind and first line of an error. In an address, the part after `?` is removed, because signatures are there."""
    line = next(
        iter(str(getattr(error, "server_message", None) or error).strip().splitlines()), ""
    )  # the hub's own words
    return re.sub(r"\?\S+", "?...", f"{type(error).__name__}: {line}"[:300]).rstrip(": ")


def _explained(path: str, error: Exception) -> OSError:
    kind, bucket = paths.scheme(path), paths.bucket(path)
    status, code = _status(error), _code(error)
    kinds = {cls.__name__ for one in _causes(error) for cls in type(one).__mro__}
    how = _CREDENTIALS.get(kind, "")
    if kinds & _NO_CREDENTIALS or (status == 401 and "nonymous" in str(error)):
        return CredentialsError(f"{path}: no usable credentials. To get some: {how}.")
    if code in _BAD_KEYS or status == 401:
        return CredentialsError(f"{path}: the credentials are unknown, wrong or expired. For new ones: {how}.")
    if code == _WRONG_CLOCK or (status == 403 and _clock_is_wrong(error)):
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        return StorageError(
            f"{path}: the store refuses requests of this machine: its clock says {now} UTC, which is wrong. Set it."
        )
    if isinstance(error, PermissionError) or status == 403:
        return AccessError(
            f"{path}: permission denied. The credentials in use may not do this in {bucket}: grant them reading, writing, "
            "listing and deleting there, or use others."
        )
    if status == 507 or code in _FULL:
        return StorageError(
            f"{path}: the store of {bucket} is full. Make room there; then run the same command again: it goes on where it was."
        )
    no_bucket = code == "NoSuchBucket" or bool(kinds & _NO_REPOSITORY)
    if no_bucket or (isinstance(error, FileNotFoundError) and _bucket_is_missing(path)):
        what = "repository" if kind == "hf" else "bucket"
        return BucketError(f"{path}: there is no {what} {bucket}. Create it, or correct the path.")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return StorageError(f"{path}: {_said(error)}")


_known_buckets: set[str] = set()


def _bucket_is_missing(path: str) -> bool:
    """Whether not only the file but also its bucket is missing. gs:// and hf:// give the same answer for both."""
    bucket = paths.bucket(path)
    if paths.scheme(path) not in ("gs", "hf") or bucket in _known_buckets:
        return False
    try:
        missing = not filesystem(path).exists(bucket)
    except Exception:  # not allowed to look: assume that it exists
        missing = False
    if not missing:
        _known_buckets.add(bucket)
    return missing


def is_past_end(error: BaseException) -> bool:
    """Whether the error means that the range begins after the end of the file."""
    return _status(error) == 416 or _code(error) == "InvalidRange"


def read_range(path: str, start: int, end: int, whole: bool = False) -> bytes:
    """Return the bytes [start, end) of a file, fewer if it ends before. With `whole`, fewer are an error. Raises OSError."""

    def work(files: Any) -> bytes:
        try:
            data = bytes(files.cat_file(path, start=start, end=end))
        except Exception as error:
            if not is_past_end(error):
                raise
            data = b""
        if whole and len(data) < end - start:
            raise ConnectionError(f"{len(data)} of {end - start} bytes at {start} (or the file has become shorter)")
        return data

    return attempt(path, work) if end > start else b""


class RemoteFile(io.RawIOBase):
    """A remote file of `size` bytes, to read and seek in by ranges.

    Small reads fetch blocks of 256 KiB, and more blocks at once the longer they go on without a gap; the last 16 MiB are kept.
    Large reads fetch exactly their range. So reading a video's header fetches few bytes, wherever in the file it is.
    """

    def __init__(self, path: str, size: int) -> None:
        super().__init__()
        self.path, self.size, self._at = path, size, 0
        self.name = f"source{os.path.splitext(path)[1]}"  # for a decoder, which uses the ending to guess the format
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._next, self._ahead = -1, 1  # the block after the last fetch, and how many blocks that fetch had

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if at < 0:
            raise ValueError(f"{self.path}: seek to {at}")
        self._at = at
        return at

    def readall(self) -> bytes:
        return self.read(max(self.size - self._at, 0)) or b""

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        count = max(min(len(view), self.size - self._at), 0)
        view[:count] = self._range(self._at, self._at + count)
        self._at += count
        return count

    def _range(self, start: int, end: int) -> bytes:
        if end - start >= _BLOCK * _BLOCKS_AHEAD:
            return self._fetch(start, end)
        blocks = [self._block(number) for number in range(start // _BLOCK, -(-end // _BLOCK))]
        first = start // _BLOCK * _BLOCK
        return b"".join(blocks)[start - first : end - first]

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            self._ahead = min(2 * self._ahead, _BLOCKS_AHEAD) if number == self._next else 1
            self._next = number + self._ahead
            data = self._fetch(number * _BLOCK, min(self._next * _BLOCK, self.size))
            for count, at in enumerate(range(0, len(data), _BLOCK)):
                self._blocks[number + count] = data[at : at + _BLOCK]
            while len(self._blocks) > _BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _fetch(self, start: int, end: int) -> bytes:
        return read_range(self.path, start, end, whole=True)
