"""Links to a time in a video at its source. Addresses come from strangers: only http and https become links."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from longtake.schemas.printable import masked

_YOUTUBE = ("youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "youtu.be")
_VIMEO = ("vimeo.com", "www.vimeo.com")


def source_link(url: str | None, start_ms: int) -> str | None:
    """The address of a video at a time. None if `url` is not safe for a browser.

    YouTube takes the time as a parameter, Vimeo as a fragment, and media files as a media fragment (#t=12.5).
    """
    if not url or masked(url) != url:  # a link with credentials would leak them
        return None
    if any(c.isspace() or not c.isprintable() for c in url):
        return None
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not host:
        return None
    if host in _YOUTUBE:
        rest = [(name, value) for name, value in parse_qsl(parts.query) if name not in ("t", "start")]
        return urlunsplit(parts._replace(query=urlencode([*rest, ("t", f"{start_ms // 1000}s")])))
    if host in _VIMEO:
        return urlunsplit(parts._replace(fragment=f"t={start_ms // 1000}s"))
    if parts.path.lower().endswith((".mp4", ".webm", ".ogv", ".m4v", ".mov")):
        return urlunsplit(parts._replace(fragment=f"t={start_ms / 1000:.1f}"))
    return url
