"""Numbers and times as text for people."""


def clock(ms: int) -> str:
    """A time in a video, m:ss, with hours if there are any."""
    seconds, sign = abs(ms) // 1000, "-" if ms <= -1000 else ""
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{sign}{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{sign}{minutes}:{seconds % 60:02d}"


def duration(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86_400:,.1f} days"


def human_bytes(number: float) -> str:
    """A size for people."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError("unreachable")


def plural(number: int, noun: str) -> str:
    """`number` with its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
