"""Text from a corpus made safe for a terminal: ids and transcripts come from strangers, and addresses can hold credentials."""

import re

_USER = re.compile(r"(?<=://)[^/?#@\s\"'<>]+(?=@)")
_SECRET = re.compile(
    r"(?i)(?<=[?&;])((?:[\w.%-]*(?:token|secret|passw(?:or)?d|signature|credential|access.?key|api.?key)[\w-]*|sig|auth|key)=)"
    r"[^&;#\s\"'<>]+"
)
_JOINERS = "\u200c\u200d"  # invisible, harmless, and part of correct spelling in Persian and Hindi


def printable(text: str, limit: int | None = None) -> str:
    """Return `text`, cut after `limit` characters. Invisible characters and everything that a terminal acts on are escaped, and
    credentials in addresses are masked."""
    text = masked(text)
    if limit is not None and len(text) > limit:
        text = text[:limit] + "..."
    return "".join(c if c.isprintable() or c in _JOINERS else c.encode("unicode_escape").decode("ascii") for c in text)


def masked(text: str) -> str:
    """Mask the credentials in the addresses in `text`: users and passwords, tokens and signatures in queries."""
    if "://" not in text:
        return text
    return _SECRET.sub(r"\1***", _USER.sub("***", text))
