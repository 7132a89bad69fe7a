"""Why a video was not fetched: the reason, from an HTTP status or from the words of a site."""

import errno
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from longtake.pipeline.run.events import redacted
from longtake.schemas.printable import printable
from longtake.schemas.reasons import Reason

#: Reasons that may be gone when the same URL is asked again.
TRANSIENT = frozenset({Reason.RATE_LIMITED, Reason.SERVER_ERROR, Reason.NETWORK, Reason.TRUNCATED, Reason.TIMEOUT})
#: All reasons for which a video can be missing after `longtake fetch`.
FETCH_REASONS = TRANSIENT | frozenset(
    {
        Reason.PRIVATE,
        Reason.REMOVED,
        Reason.GEO_BLOCKED,
        Reason.AGE_GATED,
        Reason.MEMBERS_ONLY,
        Reason.LIVE,
        Reason.DRM,
        Reason.FORBIDDEN,
        Reason.NO_MEDIA,
        Reason.SEVERAL_VIDEOS,
        Reason.UNSAFE_URL,
        Reason.OTHER_LICENCE,
        Reason.WRONG_DURATION,
        Reason.LIMIT_EXCEEDED,
        Reason.UNREADABLE,
        Reason.EMPTY_FILE,
        Reason.NO_VIDEO_STREAM,
        Reason.NO_FRAMES,
        Reason.DECODER_CRASHED,
        Reason.OUT_OF_MEMORY,
    }
)
_MESSAGE = 300  # characters that are kept of a site's words
#: Errors of the disk, which no URL is to blame for.
OF_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
_BUSY = frozenset({429, 503})  # the server asks all to wait, not only for this URL

#: What sites and yt-dlp say, the first that fits. Sites change their words: what fits none is `no_media`, with the words.
_WORDS = tuple(
    (re.compile(pattern, re.IGNORECASE), reason)
    for pattern, reason in (
        (r"not a bot|too many requests|rate.?limit|try again later", Reason.RATE_LIMITED),
        (r"members[- ]only|join this channel|premium|subscribers? only|paid content|requires payment", Reason.MEMBERS_ONLY),
        (r"confirm your age|age[- ]restricted|inappropriate for some users", Reason.AGE_GATED),
        (r"private", Reason.PRIVATE),
        (r"geo.?restrict|not available (?:in|from) your (?:country|location|region)|in your country", Reason.GEO_BLOCKED),
        (r"\bDRM\b", Reason.DRM),
        (r"live event|livestream|premieres? in|is upcoming|currently live|live hls", Reason.LIVE),
        (r"removed|deleted|terminated|no longer available|does ?n.t exist|not exist|unavailable|copyright", Reason.REMOVED),
        (r"log ?in|sign ?in|registered users|authenticat|account", Reason.FORBIDDEN),
        (r"unable to continue|incomplete|more expected|content too short", Reason.TRUNCATED),
        (r"timed? ?out|connection|resolve|unreachable|reset by peer|ssl|eof occurred", Reason.NETWORK),
    )
)  # fmt: skip


class FetchError(Exception):
    """A video could not be fetched.

    Attributes:
        reason: for the ledger.
        message: what the site or the server said, or what was wrong; cleaned, without credentials.
        status: of the HTTP answer, if it was the cause.
        retry_after: the seconds that the server asks to wait.
        attempt: the number of the attempt, from 1.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        status: int | None = None,
        retry_after: float | None = None,
        attempt: int = 1,
    ) -> None:
        message = printable(redacted(" ".join(message.split())), _MESSAGE)
        super().__init__(reason, message, status, retry_after, attempt)
        self.reason, self.message, self.status = reason, message, status
        self.retry_after, self.attempt = retry_after, attempt

    def __str__(self) -> str:
        return f"HTTP {self.status}: {self.message}" if self.status else self.message

    @property
    def is_transient(self) -> bool:
        """Whether another attempt may succeed."""
        return self.reason in TRANSIENT

    @property
    def is_of_host(self) -> bool:
        """Whether the server asks to wait before any other request to it."""
        return self.reason is Reason.RATE_LIMITED or self.status in _BUSY


def of_status(status: int, message: str, retry_after: str | None = None) -> FetchError:
    """Return the error of an HTTP answer other than 2xx. `retry_after` is the header as it came."""
    if status == 429:
        reason = Reason.RATE_LIMITED
    elif status in (404, 410):
        reason = Reason.REMOVED
    elif status == 451:
        reason = Reason.GEO_BLOCKED
    elif status >= 500 or status in (408, 425):
        reason = Reason.SERVER_ERROR
    else:
        reason = Reason.FORBIDDEN if status in (401, 402, 403, 407) else Reason.NO_MEDIA
    return FetchError(reason, message, status, seconds_of(retry_after))


def of_words(message: str) -> FetchError:
    """Return the error for what a site said."""
    message = re.sub(
        r"^(?:ERROR: |\[download\] )+|; please report this issue on .*", "", message.strip(), flags=re.DOTALL
    )
    if status := re.search(r"HTTP Error ([45]\d\d)", message):  # of a piece of a stream
        return of_status(int(status[1]), message)
    reason = next((found for pattern, found in _WORDS if pattern.search(message)), Reason.NO_MEDIA)
    return FetchError(reason, message)


def seconds_of(retry_after: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds of a Retry-After header, which holds a number or a date; None if it holds neither."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max((until - (now or datetime.now(UTC))).total_seconds(), 0.0)


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what caused it; yt-dlp wraps some in ways of its own."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inside = getattr(one, "exc_info", None)
        wrapped = [getattr(one, "cause", None), inside[1] if isinstance(inside, tuple) and len(inside) > 1 else None]
        waiting += [found for found in (*wrapped, one.__cause__, one.__context__) if isinstance(found, BaseException)]
