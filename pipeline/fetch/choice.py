"""Which of the streams and captions that a site has are fetched. Pure decisions on yt-dlp's descriptions of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: How a stream may come: whole, or in pieces that yt-dlp fetches itself. Other ways start programs with networks of their own.
PROTOCOLS = frozenset({"http", "https", "m3u8", "m3u8_native", "http_dash_segments"})
_HDR = ("HDR", "DV", "HLG", "PQ")
_UNKNOWN_RATE = 1e9  # kbit/s: a stream of unknown rate comes last among those of its size


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a corpus needs of each video.

    Attributes:
        short_side: of its frames, in pixels.
        sound: whether the sound is used: for speech recognition, or for `filters.min_audio`.
        hdr: whether HDR is used.
        captions: formats of captions that are read, the best first; none: no captions are wanted.
        languages: of captions, the best first.
        automatic: whether captions that a machine made count.
    """

    short_side: int
    sound: bool
    hdr: bool
    captions: tuple[str, ...]
    languages: tuple[str, ...]
    automatic: bool

    @property
    def captions_for(self) -> tuple[str, ...]:
        """What is asked for as captions, for the record of the video; () if none are."""
        return (*self.languages, *self.captions, *(["automatic"] if self.automatic else [])) if self.captions else ()


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams to fetch, as yt-dlp describes them. `sound` is a second file; None: not wanted, or in the first. `of`: between
    so many was chosen."""

    video: dict[str, Any]
    sound: dict[str, Any] | None = None
    of: int = 1


@dataclass(frozen=True, slots=True)
class Track:
    """The captions to fetch, as yt-dlp describes them. `is_automatic`: a machine made them."""

    language: str
    form: str
    is_automatic: bool
    description: dict[str, Any]


def choose_streams(formats: Sequence[Mapping[str, Any]], wanted: Wanted, duration_s: float | None) -> Streams | None:
    """Choose the smallest stream whose short side covers the frames; if none does, the largest. None: there are no pictures.

    Among streams of one size, the one with the fewest bytes, sound included if it is wanted. Sound comes in a second file only if
    no stream of this size has it.
    """
    usable = [dict(one) for one in formats if one.get("protocol") in PROTOCOLS and not one.get("has_drm")]
    pictures = [one for one in usable if one.get("vcodec") != "none" and one.get("format_note") != "storyboard"]
    if not wanted.hdr:
        pictures = [one for one in pictures if not str(one.get("dynamic_range") or "").startswith(_HDR)] or pictures
    sounds = [one for one in usable if one.get("vcodec") == "none" and one.get("acodec") not in (None, "none")]
    if not pictures:
        return None
    of = len(pictures) + len(sounds)
    sides = sorted({side for one in pictures if (side := short_side(one))})
    chosen = next((side for side in sides if side >= wanted.short_side), sides[-1] if sides else None)
    if chosen is not None:
        pictures = [one for one in pictures if short_side(one) == chosen]
    sound = min(sounds, key=lambda one: bytes_of(one, duration_s), default=None)
    options = [Streams(one, sound if wanted.sound and one.get("acodec") == "none" else None, of) for one in pictures]
    if wanted.sound:
        options = [one for one in options if one.sound is not None or one.video.get("acodec") != "none"] or options
    return min(options, key=lambda one: (sum(bytes_of(part, duration_s) for part in parts_of(one)), _name(one)))


def parts_of(streams: Streams) -> list[dict[str, Any]]:
    """Return the descriptions of the files to fetch."""
    return [streams.video] if streams.sound is None else [streams.video, streams.sound]


def short_side(description: Mapping[str, Any]) -> int | None:
    """Return the short side of a stream's pictures in pixels; None if the site does not say."""
    sides = [int(side) for side in (description.get("width"), description.get("height")) if side]
    return min(sides) if sides else None


def bytes_of(description: Mapping[str, Any], duration_s: float | None) -> float:
    """Return about the size of a stream in bytes; more than any real one if the site says nothing."""
    if size := description.get("filesize") or description.get("filesize_approx"):
        return float(size)
    return float(description.get("tbr") or _UNKNOWN_RATE) * 125 * (duration_s or 1.0)


def is_size_known(description: Mapping[str, Any], duration_s: float | None) -> bool:
    """Whether `bytes_of` rests on what the site says."""
    known = description.get("filesize") or description.get("filesize_approx")
    return bool(known or (description.get("tbr") and duration_s))


def _name(streams: Streams) -> str:
    return str(streams.video.get("format_id"))


def choose_captions(manual: Mapping[str, Any], automatic: Mapping[str, Any], wanted: Wanted) -> Track | None:
    """Choose captions: those that people made before automatic ones, languages and formats in order. None: there are none.

    `en` also takes en-US, after en itself. Translations by a machine are never taken: their words were not said.
    """
    if not wanted.captions:
        return None
    for tracks, is_automatic in ((manual, False), (automatic, True)):
        if is_automatic and not wanted.automatic:
            continue
        for language in wanted.languages:
            for name in _names(tracks, language):
                found = [one for one in tracks[name] or () if not (is_automatic and _is_translation(one))]
                for form in wanted.captions:
                    for one in found:
                        if one.get("ext") == form and (one.get("url") or one.get("data")):
                            return Track(_language(name), form, is_automatic, dict(one))
    return None


def _names(tracks: Mapping[str, Any], language: str) -> list[str]:
    wanted = language.lower().replace("_", "-")
    known = [(name.lower().replace("_", "-"), name) for name in tracks]
    exact = [name for low, name in known if low == wanted]
    original = [name for low, name in known if low == f"{wanted}-orig"]
    return [
        *exact,
        *original,
        *sorted(name for low, name in known if low.startswith(f"{wanted}-") and name not in original),
    ]


def _language(name: str) -> str:
    return name.removesuffix("-orig")


def _is_translation(description: Mapping[str, Any]) -> bool:
    return "tlang" in parse_qs(urlsplit(str(description.get("url") or "")).query)
