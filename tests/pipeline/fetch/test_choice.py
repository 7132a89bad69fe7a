"""Streams and captions are chosen by what the corpus needs."""

from typing import Any

import pytest

from longtake.pipeline.fetch.choice import Wanted, choose_captions, choose_streams
from longtake.pipeline.fetch.fetching import wanted_of
from longtake.schemas.config import parse_config

WANTED = Wanted(240, sound=False, hdr=False, captions=("json3", "vtt"), languages=("en", "de"), automatic=True)


def stream(
    name: str, height: int, rate: float, video: str = "avc1", sound: str = "none", **more: Any
) -> dict[str, Any]:
    return {
        "format_id": name, "protocol": "https", "url": f"https://x/{name}", "width": height * 16 // 9, "height": height,
        "tbr": rate, "vcodec": video, "acodec": sound, **more,
    }  # fmt: skip


SOUND = {"format_id": "a", "protocol": "https", "vcodec": "none", "acodec": "opus", "tbr": 50}
ALL = [
    {"format_id": "sb", "protocol": "mhtml", "vcodec": "none", "acodec": "none", "width": 48, "height": 27},
    SOUND,
    stream("144", 144, 80),
    stream("240", 240, 150),
    stream("240both", 240, 220, sound="mp4a"),
    stream("360", 360, 300),
    stream("1080", 1080, 3000),
]


@pytest.mark.parametrize(
    ("short_side", "chosen"),
    [(100, "144"), (144, "144"), (145, "240"), (240, "240"), (320, "360"), (720, "1080"), (2160, "1080")],
)
def test_the_smallest_stream_that_covers_the_frames(short_side: int, chosen: str) -> None:
    found = choose_streams(ALL, Wanted(short_side, False, False, (), (), True), 60)
    assert found is not None and (found.video["format_id"], found.sound, found.of) == (chosen, None, 6)


def test_the_short_side_counts_also_of_an_upright_video() -> None:
    upright = [stream("tall", 640, 100, width=240), stream("taller", 1280, 90, width=480)]
    found = choose_streams(upright, WANTED, 60)
    assert found is not None and found.video["format_id"] == "tall"


def test_sound_comes_only_where_it_is_wanted_and_in_the_fewest_bytes() -> None:
    wanted = Wanted(240, True, False, (), (), True)
    found = choose_streams(ALL, wanted, 60)
    assert found is not None and (found.video["format_id"], found.sound) == ("240", SOUND)  # 150 + 50 < 220
    heavier = choose_streams([one if one is not SOUND else {**SOUND, "tbr": 100} for one in ALL], wanted, 60)
    assert heavier is not None and (heavier.video["format_id"], heavier.sound) == ("240both", None)
    silent = choose_streams([stream("240", 240, 150)], wanted, 60)
    assert silent is not None and silent.sound is None


@pytest.mark.parametrize(
    ("text", "filters", "sound", "captions"),
    [
        ({}, {}, False, ()),
        ({}, {"min_audio": 0.5}, True, ()),
        ({"format": "vtt", "languages": ["fr", "en"]}, {}, False, ("vtt",)),
        ({"format": "asr", "model": "m"}, {}, True, ()),
        ({"format": ["vtt", "asr"], "model": "m"}, {}, True, ("vtt",)),
        ({"format": "vtt", "model": "m", "align": True}, {}, True, ("vtt",)),
        ({"format": "vtt", "model": "m", "min_agreement": 0.5}, {}, True, ("vtt",)),
    ],
)
def test_sound_and_captions_are_wanted_where_the_configuration_uses_them(
    text: dict[str, Any], filters: dict[str, Any], sound: bool, captions: tuple[str, ...]
) -> None:
    path = {"path": "{video_id}.vtt"} if captions else {}
    fetched = {"videos": "v.jsonl", "uri": "{video_id}.mp4", "text": text | path, "fetch": {"urls": "links.txt"}}
    wanted = wanted_of(parse_config({"name": "x", "output": "x", "source": fetched, "filters": filters}))
    assert (wanted.sound, wanted.captions) == (sound, captions)
    assert wanted.languages == tuple(text.get("languages", ["en"]))


def test_what_cannot_be_used_is_not_chosen() -> None:
    others = [
        stream("f", 240, 1, protocol="rtmp"),
        stream("d", 240, 1, has_drm=True),
        stream("h", 240, 1, dynamic_range="HDR10"),
    ]
    found = choose_streams([*others, stream("sdr", 240, 900)], WANTED, 60)
    assert found is not None and found.video["format_id"] == "sdr"
    assert choose_streams(others[:2], WANTED, 60) is None and choose_streams([SOUND], WANTED, 60) is None
    only_hdr = choose_streams(others[2:], WANTED, 60)
    assert only_hdr is not None  # the plan says hdr; nothing else is there


def test_a_stream_of_unknown_size_is_better_than_none() -> None:
    unknown = {"format_id": "0", "protocol": "http", "url": "http://x/v.mp4", "vcodec": None}
    found = choose_streams([unknown], WANTED, None)
    assert found is not None and found.video["format_id"] == "0"


def track(form: str, query: str = "") -> dict[str, str]:
    return {"ext": form, "url": f"https://x/t?{query}"}


@pytest.mark.parametrize(
    ("manual", "automatic", "chosen"),
    [
        ({"en": [track("vtt"), track("json3")]}, {}, ("en", "json3", False)),
        ({"en": [track("vtt")]}, {"en": [track("json3")]}, ("en", "vtt", False)),
        ({"de": [track("vtt")]}, {"en": [track("json3")]}, ("de", "vtt", False)),
        ({"de": [track("vtt")], "en-GB": [track("vtt")]}, {}, ("en-GB", "vtt", False)),
        ({"fr": [track("vtt")]}, {"en": [track("json3", "tlang=en")], "fr": [track("json3")]}, None),
        ({}, {"en": [track("json3", "tlang=en")], "en-orig": [track("json3")]}, ("en", "json3", True)),
        ({"en": [track("ttml")]}, {}, None),
        ({"english": [track("vtt")]}, {}, None),
    ],
)  # fmt: skip
def test_captions_of_people_first_then_languages_in_order(manual: Any, automatic: Any, chosen: Any) -> None:
    found = choose_captions(manual, automatic, WANTED)
    assert (None if found is None else (found.language, found.form, found.is_automatic)) == chosen


def test_automatic_captions_can_be_refused() -> None:
    wanted = Wanted(240, False, False, ("vtt",), ("en",), automatic=False)
    assert choose_captions({}, {"en": [track("vtt")]}, wanted) is None
