"""Calls to object stores: tried again where a failure will pass, and explained in one line where it will not.

gcsfs and s3fs try again on their own, each in its way and not for all that passes; this comes on top. Their exceptions are told
apart by name and status, so that neither library need be there.
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
from typing import Any, TypeVar

import fsspec

from longtake.schemas import paths
from longtake.schemas.waiting import waiting

T = TypeVar("T")

ATTEMPTS = 6
#: No new attempt is made so many seconds after the first one began; an attempt of a library may itself take a minute.
PATIENCE_SECONDS = 120.0
_FIRST_PAUSE = 0.5  # seconds, doubled each time, and shortened by chance so that many workers do not come back together
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
_BAD_KEYS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed"}
)
_TRANSIENT_ERRNO = frozenset(
    {errno.EBUSY, errno.EREMOTEIO, errno.ETIMEDOUT}
)  # what s3fs makes of SlowDown, InternalError
_BLOCK = 256 << 10
_BLOCKS_KEPT = 64
_BLOCKS_AHEAD = 16  # at most so many at once, where one block after the other is read
_CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the machine a role",
    "gs": "run `gcloud auth application-default login`, set GOOGLE_APPLICATION_CREDENTIALS, or use a service account",
}


class StorageError(OSError):
    """Storage refused an operation; the message says which path and what to do."""


class UnreachableError(StorageError):
    """Storage still did not answer, or answered that it is overloaded, after several attempts."""


class CredentialsError(StorageError):
    """There are no credentials, or storage does not know them."""


class AccessError(StorageError, PermissionError):
    """The credentials are good, but not for this."""


class BucketError(StorageError, FileNotFoundError):
    """There is no such bucket."""


def filesystem(path: str) -> Any:
    """The fsspec file system of a remote `path`. Raises StorageError where its library is missing."""
    kind = paths.scheme(path)
    if kind not in paths.SCHEMES:
        raise StorageError(f"{path}: cannot use {kind}://; use a local path, gs:// or s3://")
    if kind == "gs":
        os.environ.setdefault(
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false"
        )  # it asks about every bucket over gRPC first
        logging.getLogger("gcsfs").setLevel(
            logging.CRITICAL
        )  # it prints a traceback for what is tried again or told below
    try:
        return fsspec.filesystem(kind, use_listings_cache=False)  # others write to the same folders
    except ImportError as error:
        extra = {"gs": "gcp", "s3": "aws"}.get(kind, "all")
        raise StorageError(f"{path}: {error}. Install with: pip install 'longtake[{extra}]'") from None


def attempt(path: str, work: Callable[[Any], T]) -> T:
    """`work(filesystem)`, again after failures that pass. `work` must be safe to repeat.

    Raises FileNotFoundError, or a StorageError of one line that says what to do.
    """
    with waiting(path, ATTEMPTS, PATIENCE_SECONDS) as wait:
        while True:
            try:
                return work(filesystem(path))
            except StorageError:
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


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: timeouts, broken connections, 429 and 5xx. Never for what storage refuses."""
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
    """The exception and those it was made from."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__


def _status(error: BaseException) -> int | None:
    """The HTTP status that storage answered with, if it did."""
    for one in _causes(error):
        answer = getattr(one, "response", None)
        found = answer.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(answer, dict) else None
        for value in (found, getattr(one, "code", None), getattr(one, "status", None)):
            if str(value).isdecimal() and 100 <= int(str(value)) < 600:
                return int(str(value))
        if isinstance(one, OSError) and str(one).startswith("Forbidden:"):  # gcsfs
            return 403
    return None


def _code(error: BaseException) -> str:
    """The error code of S3, as NoSuchBucket."""
    for one in _causes(error):
        answer = getattr(one, "response", None)
        if isinstance(answer, dict):
            return str(answer.get("Error", {}).get("Code", ""))
    return ""


def _said(error: BaseException) -> str:
    """Kind and first line of an error, without what may follow a `?` in an address, where signatures are."""
    line = next(iter(str(error).strip().splitlines()), "")
    return re.sub(r"\?\S+", "?...", f"{type(error).__name__}: {line}"[:300]).rstrip(": ")


def _explained(path: str, error: Exception) -> OSError:
    kind, bucket = paths.scheme(path), paths.bucket(path)
    status, code = _status(error), _code(error)
    kinds = {cls.__name__ for one in _causes(error) for cls in type(one).__mro__}
    how = _CREDENTIALS.get(kind, "")
    if kinds & _NO_CREDENTIALS or (status == 401 and "nonymous" in str(error)):
        return CredentialsError(f"{path}: no usable credentials. To have some: {how}.")
    if code in _BAD_KEYS or status == 401:
        return CredentialsError(f"{path}: the credentials are unknown, wrong or expired. For new ones: {how}.")
    if isinstance(error, PermissionError) or status == 403:
        return AccessError(
            f"{path}: permission denied. The credentials in use may not do this in {bucket}: grant them reading, writing, "
            "listing and deleting there, or use others."
        )
    if code == "NoSuchBucket" or (isinstance(error, FileNotFoundError) and _bucket_is_missing(path)):
        return BucketError(f"{path}: there is no bucket {bucket}. Create it, or correct the path.")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return StorageError(f"{path}: {_said(error)}")


_known_buckets: set[str] = set()


def _bucket_is_missing(path: str) -> bool:
    """Whether the bucket of a file that is not there is missing as well. gs:// answers the same to both."""
    bucket = paths.bucket(path)
    if paths.scheme(path) != "gs" or bucket in _known_buckets:
        return False
    try:
        missing = not filesystem(path).exists(bucket)
    except Exception:  # not allowed to look: then it is there
        missing = False
    if not missing:
        _known_buckets.add(bucket)
    return missing


def is_past_end(error: BaseException) -> bool:
    """Whether a range was asked for that begins after the end of the file."""
    return _status(error) == 416 or _code(error) == "InvalidRange"


def read_range(path: str, start: int, end: int, whole: bool = False) -> bytes:
    """The bytes [start, end) of a file, fewer where it ends before, which with `whole` is an error. Raises OSError."""

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
    """A remote file of `size` bytes to read and seek in, by ranges.

    Small reads fetch blocks of 256 KiB, and more of them the longer they go on without a gap; the last 16 MiB are kept. Large
    reads fetch what they ask for. So the header of a video costs little of it, wherever in the file it lies.
    """

    def __init__(self, path: str, size: int) -> None:
        super().__init__()
        self.path, self.size, self._at = path, size, 0
        self.name = f"source{os.path.splitext(path)[1]}"  # what a decoder is told; the ending takes part in its guess
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._next, self._ahead = -1, 1  # the block after the last that was fetched, and how many were fetched with it

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
