"""What is known of a video on the web, by its site or its server. A stranger's words: cut, cleaned, not trusted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from longtake.pipeline.parse.texts import clean_text
from longtake.pipeline.run.events import redacted

_TEXT, _CHAPTERS = 500, 1000
_PAGES = ("Generic", "HTML5MediaEmbed")  # they give the time of the page's file as the day of upload


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of one video.

    Attributes:
        extractor: what read them: yt-dlp's name of the site, or "link".
        url: the page or file after redirects, without credentials.
        title, license, uploader, language: as the site has them; "" where it has none.
        upload_date: YYYY-MM-DD, or "".
        duration_s: in seconds; None if unknown.
        chapters: ({"start_time": seconds, "title": text}, ...), as `source.chapters: meta` reads them.
        bytes: size of what would be fetched; None if unknown.
        stream: which stream was chosen, and `of` how many; None for a plain link.
        captions: language, format and whether a machine made them; None: none that are wanted.
    """

    extractor: str
    url: str
    title: str = ""
    license: str = ""
    uploader: str = ""
    language: str = ""
    upload_date: str = ""
    duration_s: float | None = None
    chapters: tuple[dict[str, Any], ...] = ()
    bytes: int | None = None
    stream: dict[str, Any] | None = None
    captions: dict[str, Any] | None = None

    def with_choice(self, stream: dict[str, Any] | None, size: int | None, captions: dict[str, Any] | None) -> "Facts":
        """The facts with what was chosen."""
        return replace(self, stream=stream, bytes=size, captions=captions)


def facts_of(info: Mapping[str, Any]) -> Facts:
    """Return the facts in yt-dlp's description of a video."""
    extractor = _text(info.get("extractor_key") or info.get("extractor")) or "site"
    day = "" if extractor in _PAGES else str(info.get("upload_date") or "")
    return Facts(
        extractor=extractor,
        url=redacted(_text(info.get("webpage_url") or info.get("original_url"), 4096)),
        title=_text(info.get("title")),
        license=_text(info.get("license")),
        uploader=_text(info.get("uploader") or info.get("channel")),
        language=_text(info.get("language"), 20),
        upload_date=f"{day[:4]}-{day[4:6]}-{day[6:8]}" if len(day) == 8 and day.isdecimal() else "",
        duration_s=number_of(info.get("duration")),
        chapters=tuple(_chapters(info.get("chapters"))),
    )


def stream_of(description: Mapping[str, Any], sound: Mapping[str, Any] | None, of: int) -> dict[str, Any]:
    """Return what a record says of a stream that yt-dlp describes, one `of` so many; what is unknown is None."""
    ids = [_text(one.get("format_id"), 80) for one in (description, sound) if one is not None]
    heard = sound or description
    return {
        "id": "+".join(ids),
        "ext": _text(description.get("ext"), 10),
        "width": number_of(description.get("width")),
        "height": number_of(description.get("height")),
        "fps": number_of(description.get("fps")),
        "vcodec": _text(description.get("vcodec"), 40) or None,
        "acodec": _text(heard.get("acodec"), 40) or None,
        "protocol": _text(description.get("protocol"), 40) or None,
        "of": of,
    }


def number_of(value: Any) -> float | int | None:
    """Return a positive finite number as it is; None for anything else."""
    sound = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9
    return value if sound else None


def _chapters(found: Any) -> list[dict[str, Any]]:
    chapters = []
    for one in found[:_CHAPTERS] if isinstance(found, list) else ():
        start = one.get("start_time") if isinstance(one, dict) else None
        if isinstance(start, int | float) and not isinstance(start, bool) and 0 <= start < 1e9:
            chapters.append({"start_time": start, "title": _text(one.get("title"))})
    return chapters


def _text(value: Any, longest: int = _TEXT) -> str:
    return clean_text(value)[:longest] if isinstance(value, str) else ""
