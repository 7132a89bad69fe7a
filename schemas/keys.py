"""Sample keys and safe names, made from untrusted ids."""

import hashlib
import re

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_KEY = re.compile(r"^[A-Za-z0-9_-]+-\d{9,}-\d{9,}$")
_MAX_NAME = 56  # with times and extension a member name stays within the 100 bytes of a plain tar header


def safe_name(video_id: str) -> str:
    """A name for `video_id` that is legal in a tar, a URL, a file name and a WebDataset key (no dots).

    An id that is already safe is its own name. Any other gets its unsafe characters replaced and a hash of the original
    appended, so two ids can never share a name. A safe id that ends like such a hash is hashed as well, for the same reason.
    """
    cleaned = _UNSAFE.sub("_", video_id)[:_MAX_NAME]
    if cleaned == video_id and video_id and not re.search(r"-h[0-9a-f]{12}$", video_id):
        return video_id
    digest = hashlib.sha256(video_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{cleaned}-h{digest}"


def sample_key(video_id: str, start_ms: int, end_ms: int) -> str:
    """The key of a long clip: `<safe video id>-<start_ms:09d>-<end_ms:09d>`."""
    return f"{safe_name(video_id)}-{start_ms:09d}-{end_ms:09d}"


def is_sample_key(key: str) -> bool:
    """Whether `key` has the form of a sample key, and so is safe as part of a path."""
    return bool(_KEY.fullmatch(key))


def hash64(text: str, seed: int = 0) -> int:
    """A 64-bit hash of `text` that is the same on every machine and in every Python process."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode("utf-8", "surrogatepass")).digest()[:8], "big")
