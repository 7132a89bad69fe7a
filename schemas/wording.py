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
    if seconds < 10 * 60:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86_400:,.1f} days"


def human_bytes(number: float) -> str:
    """A size for people."""
    unit, size = _unit_of(number)
    return f"{number:.0f} {unit}" if unit == "B" else f"{number / size:.1f} {unit}"


def bytes_of(done: float, total: float) -> str:
    """A part of a size for people: 12 of 25 MB, 0.4 of 1.2 GB."""
    unit, size = _unit_of(total)
    digits = 0 if unit == "B" or total / size >= 10 else 1
    return f"{done / size:.{digits}f} of {total / size:.{digits}f} {unit}"


def _unit_of(number: float) -> tuple[str, int]:
    for power, unit in enumerate(("B", "KB", "MB", "GB")):
        if number < 1000 ** (power + 1):
            return unit, 1000**power
    return "TB", 1000**4


def plural(number: int, noun: str) -> str:
    """`number` with its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
