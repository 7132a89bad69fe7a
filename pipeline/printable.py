"""Text from a corpus made safe for a terminal: ids and transcripts come from strangers."""

_JOINERS = "\u200c\u200d"  # invisible, harmless, and part of correct spelling in Persian and Hindi


def printable(text: str, limit: int | None = None) -> str:
    """`text` with all that a terminal would act on, or that cannot be seen, escaped; cut after `limit` characters."""
    if limit is not None and len(text) > limit:
        text = text[:limit] + "..."
    return "".join(c if c.isprintable() or c in _JOINERS else c.encode("unicode_escape").decode("ascii") for c in text)
