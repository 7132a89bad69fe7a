"""How numbers are said to people."""


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
