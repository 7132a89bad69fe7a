"""Versions of everything that can change the bytes of a corpus."""

import functools
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from longtake.schemas.errors import CorpusError

_DISTRIBUTIONS = ("longtake", "apache-beam", "av", "decord", "icu4py", "simplejpeg", "pyarrow", "numpy")


def versions() -> dict[str, str]:
    """Return the installed versions by distribution name, without absent distributions."""
    return dict(_versions())


@functools.cache  # each version is a file to parse
def _versions() -> dict[str, str]:
    found = {}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def check_versions(launcher: Mapping[str, str]) -> None:
    """Raise CorpusError if this worker has other versions than the machine that launched the job: the bytes would differ."""
    here = versions()
    other = [
        f"{name} {here.get(name, 'absent')} on the worker, {launcher.get(name, 'absent')} on the launcher"
        for name in sorted({*here, *launcher})
        if here.get(name) != launcher.get(name)
    ]
    if other:
        raise CorpusError(
            f"Versions differ: {'; '.join(other)}. Launch from the image of the workers, or correct the image."
        )
