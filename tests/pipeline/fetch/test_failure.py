"""What servers and sites say becomes a reason."""

from datetime import UTC, datetime

import pytest

from longtake.pipeline.fetch.failure import FetchError, of_status, of_words, seconds_of
from longtake.schemas.reasons import Reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [  # in the words of yt-dlp's extractors
        ("[youtube] x: Private video. Sign in if you've been granted access to this video", Reason.PRIVATE),
        ("[youtube] x: Video unavailable. This video has been removed by the uploader", Reason.REMOVED),
        ("[youtube] x: Video unavailable", Reason.REMOVED),
        (
            "[youtube] x: This video is no longer available because the YouTube account has been terminated.",
            Reason.REMOVED,
        ),
        ("[youtube] x: The uploader has not made this video available in your country", Reason.GEO_BLOCKED),
        ("[youtube] x: Sign in to confirm your age. This video may be inappropriate for some users.", Reason.AGE_GATED),
        ("[youtube] x: Sign in to confirm you're not a bot. Use --cookies", Reason.RATE_LIMITED),
        ("[youtube] x: Join this channel to get access to members-only content like this video", Reason.MEMBERS_ONLY),
        ("[youtube] x: This live event will begin in 3 hours.", Reason.LIVE),
        ("[youtube] x: Premieres in 2 days", Reason.LIVE),
        ("[x] This video is DRM protected", Reason.DRM),
        ("[vimeo] x: This video is only available for registered users", Reason.FORBIDDEN),
        ("\r[download] Got error: HTTP Error 404: Not Found. Giving up after 2 retries", Reason.REMOVED),
        ("ERROR: fragment 3 not found, unable to continue", Reason.TRUNCATED),
        ("Unable to download webpage: timed out", Reason.NETWORK),
        ("Unsupported URL: https://x", Reason.NO_MEDIA),
    ],
)
def test_words_of_sites(said: str, reason: Reason) -> None:
    assert of_words(said).reason is reason


@pytest.mark.parametrize(
    ("status", "reason", "passes"),
    [
        *((404, Reason.REMOVED, False), (410, Reason.REMOVED, False), (403, Reason.FORBIDDEN, False)),
        *((429, Reason.RATE_LIMITED, True), (500, Reason.SERVER_ERROR, True), (503, Reason.SERVER_ERROR, True)),
        *((408, Reason.SERVER_ERROR, True), (400, Reason.NO_MEDIA, False), (451, Reason.GEO_BLOCKED, False)),
    ],
)  # fmt: skip
def test_statuses(status: int, reason: Reason, passes: bool) -> None:
    error = of_status(status, "words")
    assert (error.reason, error.is_transient, error.is_of_host) == (reason, passes, status in (429, 503))


def test_retry_after_is_a_number_or_a_date() -> None:
    now = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    assert seconds_of("120") == 120 and seconds_of(None) is None and seconds_of("soon") is None
    assert seconds_of("Mon, 30 Nov 2026 12:00:30 GMT", now) == 30
    assert seconds_of("Mon, 30 Nov 2026 11:00:00 GMT", now) == 0


def test_a_message_is_one_line_without_credentials() -> None:
    error = FetchError(Reason.NETWORK, "http://me:pass@host/x?token=abc failed\nagain\x1b[31m")
    assert "pass" not in error.message and "abc" not in error.message
    assert "\n" not in error.message and "\x1b" not in error.message
