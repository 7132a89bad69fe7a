"""The curators whom a shared server knows: a file with their names and a hash of each token. No token is stored.

Who reads the file cannot sign in with it: the browser keeps `session_of(token)`, and the file keeps the hash of that.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from longtake.schemas import storage
from longtake.schemas.amending import amend
from longtake.schemas.decision import Decision
from longtake.schemas.errors import ConfigError

_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Curator:
    """A curator: `hash` of the session, when the token was made and revoked (ISO 8601, UTC; "" if not), and whether the curator
    may settle conflicts."""

    name: str
    hash: str
    made: str
    adjudicates: bool = False
    revoked: str = ""

    @property
    def is_active(self) -> bool:
        return not self.revoked


def session_of(token: str) -> str:
    """What a browser keeps instead of the token."""
    return hashlib.sha256(b"longtake browse " + token.encode("utf-8", "surrogatepass")).hexdigest()


def hash_of(session: str) -> str:
    """What the file keeps of a session."""
    return hashlib.sha256(b"longtake curator " + session.encode("utf-8", "surrogatepass")).hexdigest()


def find_curator(curators: Iterable[Curator], session: str) -> Curator | None:
    """The curator whose session this is; None if nobody's, or if the token was revoked."""
    wanted = hash_of(session)
    return next((one for one in curators if one.is_active and hmac.compare_digest(one.hash, wanted)), None)


def read_curators(path: str) -> list[Curator]:
    """Read the file; a file that does not exist has nobody. Raises ConfigError that names the file, and OSError."""
    try:
        return _parsed(path, storage.read_bytes(path))
    except FileNotFoundError:
        return []
    except IsADirectoryError:
        raise ConfigError(f"{path}: a folder, not a file of curators") from None


def add_curator(path: str, name: str, adjudicates: bool = False, now: datetime | None = None) -> str:
    """Make a token for a curator and return it. Raises ConfigError for an unsuitable name, and for one that has a token."""
    name = checked_name(name)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    made = Curator(name, hash_of(session_of(token)), _told(now), adjudicates)

    def change(data: bytes) -> tuple[int, bytes]:
        known = _parsed(path, data)
        if any(one.name == name and one.is_active for one in known):
            raise ConfigError(f"{path}: {name} has a token already. Revoke it first: longtake curators --revoke")
        return 0, _written([*known, made])

    amend(path, change)
    return token


def revoke_curator(path: str, name: str, now: datetime | None = None) -> None:
    """Revoke the token of a curator; it stops working at once. Raises ConfigError if the curator has none."""

    def change(data: bytes) -> tuple[int, bytes]:
        known = _parsed(path, data)
        if not any(one.name == name and one.is_active for one in known):
            raise ConfigError(f"{path}: {name} has no token to revoke")
        when = _told(now)
        return 0, _written(
            Curator(
                one.name,
                one.hash,
                one.made,
                one.adjudicates,
                when if one.name == name and one.is_active else one.revoked,
            )
            for one in known
        )

    amend(path, change)


def checked_name(name: str) -> str:
    """Return the name of a curator. Raises ConfigError if it is empty or could not be kept in a log of decisions."""
    name = name.strip()
    if not name:
        raise ConfigError("a curator needs a name")
    Decision("video", "any", "ok", curator=name)
    return name


def _told(now: datetime | None) -> str:
    return (now or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _parsed(path: str, data: bytes) -> list[Curator]:
    if not data:
        return []
    try:
        found = [Curator(**one) for one in json.loads(data)["curators"]]
        for one in found:
            texts = (one.name, one.hash, one.made, one.revoked)
            if not all(isinstance(text, str) for text in texts) or not isinstance(one.adjudicates, bool):
                raise TypeError(one.name)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ConfigError(
            f"{path}: not a file of curators. Make one with: longtake curators CORPUS --add NAME"
        ) from None
    return found


def _written(curators: Iterable[Curator]) -> bytes:
    return (json.dumps({"curators": [asdict(one) for one in curators]}, indent=2, ensure_ascii=False) + "\n").encode()
