"""Who looks at a page: the curator of a token, or on this machine the name that the page was given."""

from dataclasses import dataclass
from urllib.parse import unquote

from flask import abort, g, has_request_context

from longtake.pipeline.browse.watched_file import WatchedFile
from longtake.schemas.curators import Curator, checked_name, find_curator, read_curators
from longtake.schemas.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Viewer:
    """A curator who looks at a page. `name` is "" if nobody said. `is_proved` means that a token proves the name."""

    name: str = ""
    adjudicates: bool = True
    is_proved: bool = False


def viewer() -> Viewer:
    """Who looks at the page of this request; nobody if there is no request."""
    found: Viewer = g.get("viewer", Viewer()) if has_request_context() else Viewer()
    return found


def proved(curator: Curator) -> Viewer:
    return Viewer(curator.name, curator.adjudicates, is_proved=True)


def named(cookie: str, default: str) -> Viewer:
    """The viewer that a page of this machine names itself, or else `default`."""
    try:
        return Viewer(checked_name(unquote(cookie)) if cookie else default)
    except ConfigError:
        return Viewer(default)


def deciding_curator(given: str) -> str:
    """Who decides: the curator of the token, else the one that the page names. Answers 400 without one, 403 if they differ."""
    looks = viewer()
    if not looks.is_proved:
        return given or abort(400, "say who decides")
    if given not in ("", looks.name):
        abort(
            403,
            f"you are signed in as {looks.name}; {given[:100]} made this decision and must send it",
        )
    return looks.name


class KnownCurators:
    """The curators in a file, always as in the file: a token that is revoked stops working at once. Safe for many threads."""

    def __init__(self, path: str) -> None:
        """Read the file. Raises ConfigError if nobody in it has a token, and OSError."""
        self._file = WatchedFile(path, read_curators)
        if not any(one.is_active for one in self._file.get()):
            raise ConfigError(f"{path}: no curator has a token. Make one with: longtake curators CORPUS --add NAME")

    def find(self, session: str) -> Curator | None:
        """The curator whose session a browser has. Raises ConfigError and OSError."""
        return find_curator(self._file.get(), session)
