"""Names of files: plain paths and URIs."""

import os
import posixpath
import re

SCHEMES = ("file", "gs", "s3", "hf", "memory")  # memory: tests
READ_ONLY = ("hf",)  # a repository of the hub: `longtake publish` writes it, in commits
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")


def scheme(path: str) -> str:
    """The scheme of a URI in lower case; "file" for a plain path."""
    found = _SCHEME.match(path)
    return found[1].lower() if found else "file"


def is_remote(path: str) -> bool:
    """Whether `path` is outside the local file system."""
    return scheme(path) != "file"


def local_path(path: str) -> str:
    """The local path of a `file://` URI or of a plain path."""
    return path[len("file://") :] if path.lower().startswith("file://") else path


def join(base: str, *parts: str) -> str:
    """Join `parts` to `base`. An absolute part or a URI replaces everything before it."""
    for part in parts:
        base = part if _SCHEME.match(part) or os.path.isabs(part) else posixpath.join(base, part)
    return base if is_remote(base) else local_path(base)


def parent(path: str) -> str:
    """The folder that holds `path`."""
    return posixpath.dirname(path.rstrip("/"))


def bucket(path: str) -> str:
    """The bucket of a URI, with its scheme; of hf://, the repository."""
    return "/".join(path.split("/")[: 5 if scheme(path) == "hf" else 3])
