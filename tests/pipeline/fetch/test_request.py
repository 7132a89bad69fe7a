"""Lines of a list, ids, and places of files."""

import json
from typing import Any

import pytest

from longtake.pipeline.fetch.places import captions_uri, ending_of, video_uri
from longtake.pipeline.fetch.request import Request, id_of, parse_request
from longtake.pipeline.parse.lines import Line
from longtake.schemas.records import Drop

TEMPLATE = "videos/{video_id}.mp4"


def parsed(text: str | dict[str, Any]) -> Request | Drop | None:
    data = text if isinstance(text, str) else json.dumps(text)
    return parse_request(Line("links.txt", 3, data.encode()), TEMPLATE)


@pytest.mark.parametrize(
    ("url", "video_id"),
    [
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=3", "dQw4w9WgXcQ"),
        ("https://youtu.be/-_w4w9WgXcQ", "-_w4w9WgXcQ"),
        ("https://www.youtube.com/shorts/dQw4w9WgXcQ", "dQw4w9WgXcQ"),
        ("https://m.youtube.com/embed/dQw4w9WgXcQ?x=1", "dQw4w9WgXcQ"),
    ],
)
def test_youtube_names_its_videos(url: str, video_id: str) -> None:
    assert id_of(url) == video_id


def test_other_urls_give_a_readable_id_that_is_theirs_alone() -> None:
    one, two = (
        id_of("https://a.org/talks/My%20talk%2F..%2Fx.mp4?x=1"),
        id_of("https://a.org/talks/My%20talk%2F..%2Fx.mp4?x=2"),
    )
    assert one != two and one == id_of("https://a.org/talks/My%20talk%2F..%2Fx.mp4?x=1")
    assert one.startswith("x-") and "/" not in one
    assert id_of("https://not-youtube.com/watch?v=dQw4w9WgXcQ") != "dQw4w9WgXcQ"


def test_a_record_keeps_all_it_has() -> None:
    record = {
        "video_id": "a",
        "url": "https://x.org/a",
        "clip": [{"clip_id": "a.0", "span": ["0:00", "0:01"]}],
        "odd": [None],
    }
    found = parsed(record)
    assert isinstance(found, Request) and found.fields == record and found.where == "links.txt:3"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("no url", "holds a space"),
        ({"video_id": "a"}, 'has no "url"'),
        ({"video_id": "a", "url": 5}, '"url" must be a URL'),
        ({"video_id": "a", "url": "http://[bad/x.mp4"}, "Invalid IPv6"),
        ({"video_id": "a", "url": "http://x.org:99999/x.mp4"}, "Port out of range"),
        ({"video_id": ["a"], "url": "https://x.org"}, '"video_id" must be a text'),
        ({"video_id": "../a", "url": "https://x.org"}, "not safe as a file name"),
        ({"video_id": "a", "url": "https://x.org/\x00"}, "control character"),
        ({"uri": "a.mp4"}, 'has a "uri" and no "video_id"'),
        ("https://x.org/" + "a" * 5000, "too long"),
        ("file:///etc/passwd", "only http and https"),
        ("http://[::1", "Invalid IPv6"),
    ],
)
def test_a_line_that_cannot_be_used_has_a_row(line: Any, says: str) -> None:
    found = parsed(line)
    assert isinstance(found, Drop) and says in found.detail and found.detail.startswith("links.txt:3")


def test_comments_are_no_requests() -> None:
    assert parsed("# https://x.org") is None and parsed("   ") is None


@pytest.mark.parametrize(
    ("template", "ending", "place"),
    [
        ("videos/{video_id}.mp4", "mp4", "videos/a.mp4"),
        ("videos/{video_id}.mp4", "mov", "videos/a.mp4"),  # the same container
        ("videos/{video_id}.mp4", "webm", "videos/a.webm"),
        ("gs://b/{video_id}/video", "webm", "gs://b/a/video"),
        ("videos/{video_id}.{ext}", "mkv", "videos/a.mkv"),
        ("videos/{video_id}.*", "mkv", "videos/a.mkv"),
        ("videos/{video_id}*", "mkv", "videos/a.mkv"),
    ],
)
def test_places_of_videos(template: str, ending: str, place: str) -> None:
    assert video_uri(template, "a", ending) == place


def test_places_of_captions_and_endings() -> None:
    assert captions_uri("subs/{video_id}.vtt", "a", "en", "vtt") == "subs/a.vtt"
    assert captions_uri("subs/{video_id}.{lang}.{ext}", "a", "en", "json3") == "subs/a.en.json3"
    assert captions_uri("subs/{video_id}.*", "a", "en", "json3") == "subs/a.en.json3"
    assert (
        ending_of("matroska,webm", "MKV") == "mkv"
        and ending_of("mpegts", "mp4") == "ts"
        and ending_of("new", "x") == "bin"
    )
    with pytest.raises(ValueError, match="not safe"):
        video_uri(TEMPLATE, "../a", "mp4")
