"""Text from a corpus made safe for a terminal: ids and transcripts come from strangers, and addresses can hold credentials."""

import re

_USER = re.compile(r"(?<=://)[^/?#@\s\"'<>]+(?=@)")
_SECRET = re.compile(
    r"(?i)(?<=[?&;])((?:[\w.%-]*(?:token|secret|passw(?:or)?d|signature|credential|access.?key|api.?key)[\w-]*|sig|auth|key)=)"
    r"[^&;#\s\"'<>]+"
)
_JOINERS = "\u200c\u200d"  # invisible, harmless, and part of correct spelling in Persian and Hindi


def printable(text: str, limit: int | None = None) -> str:
    """`text` with all that a terminal would act on, or that cannot be seen, escaped; cut after `limit` characters. Credentials in
    addresses are struck out."""
    text = masked(text)
    if limit is not None and len(text) > limit:
        text = text[:limit] + "..."
    return "".join(c if c.isprintable() or c in _JOINERS else c.encode("unicode_escape").decode("ascii") for c in text)


def masked(text: str) -> str:
    """`text` with the credentials in its addresses struck out: users and passwords, tokens and signatures in queries."""
    if "://" not in text:
        return text
    return _SECRET.sub(r"\1***", _USER.sub("***", text))
