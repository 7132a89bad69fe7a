"""Versions of everything that can change the bytes of a corpus."""

from importlib.metadata import PackageNotFoundError, version

_DISTRIBUTIONS = ("longtake", "apache-beam", "av", "decord", "simplejpeg", "pyarrow", "numpy")


def versions() -> dict[str, str]:
    """Installed versions by distribution name; those that are absent are left out."""
    found = {}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
