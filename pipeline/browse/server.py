"""Serve a corpus to browsers with waitress, until it is stopped."""

import errno
import logging
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import waitress
from waitress import wasyncore

from longtake.pipeline.browse.app import create_app
from longtake.pipeline.browse.cache import open_cache
from longtake.pipeline.browse.guard import MAX_BODY, MIN_TOKEN, Access, is_loopback
from longtake.pipeline.browse.map_table import open_maps
from longtake.pipeline.browse.marks import Marks
from longtake.pipeline.browse.meaning_search import MeaningSearch
from longtake.pipeline.browse.site import Site
from longtake.pipeline.browse.source_files import SourceFiles
from longtake.pipeline.browse.store import Store
from longtake.pipeline.browse.vectors import open_spaces
from longtake.pipeline.browse.viewer import KnownCurators
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import finished_manifest

_THREADS = 8
_ASK_SECONDS = 0.25
_SPOOLED = (
    4 << 30
)  # bytes of an answer that wait in a temporary file; at waitress's 16 MB, a paused download holds a thread
_END_SECONDS = 15  # longer than any query can take


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a server. `port` 0 means any free port. If `token_file` is None, a token is made when one is needed.
    `curators` is a file of curators, each with a token; None means that of the corpus, on addresses that others can reach."""

    host: str = "127.0.0.1"
    port: int = 8400
    decisions: str | None = None
    embeddings: str | None = None
    curator: str = ""
    read_only: bool = False
    token_file: str | None = None
    curators: str | None = None
    show_verdicts: bool = False  # also those of others, before an own one
    config: CorpusConfig | None = None  # its sources are played


class Server:
    """A corpus served to browsers. `address` is its URL, with the token."""

    def __init__(self, corpus: str, options: Options, report: Callable[[int], None] = lambda done: None) -> None:
        """Open a corpus, and make its cache if there is none. `report` gets the number of finished samples.

        Raises CorpusError for an unfinished or damaged corpus, ConfigError for unusable options, and OSError.
        """
        self._sockets: dict[int, Any] = {}
        self._serving = threading.Lock()
        self._stopped = False
        layout = Layout(corpus)
        manifest = finished_manifest(layout)
        marks = Marks(options.decisions or layout.decisions)
        marks.read()
        listening = _listen(options.host, options.port)
        try:
            known = _known_curators(layout, options)
            token = "" if known else _token(options)
            sources = SourceFiles(options.config) if options.config is not None else None
            store = Store(open_cache(layout, report))
            store.prepare()
            spaces = open_spaces(store, layout, options.embeddings)
            self.site = Site(
                layout,
                manifest,
                store,
                marks,
                spaces,
                open_maps(store, layout),
                sources,
                _meanings(layout, options.config, [space.name for space in spaces]),
                options.read_only,
                options.curator,
                not options.show_verdicts,
            )
            self.site.prepare()
            access = Access(options.host, listening.getsockname()[1], token, known, options.curator)
            logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns whenever a page asks for many frames
            others = set(threading.enumerate())
            self._server: Any = waitress.create_server(
                create_app(self.site, access),
                map=self._sockets,
                sockets=[listening],
                threads=_THREADS,
                ident="longtake",
                outbuf_high_watermark=_SPOOLED,
                max_request_body_size=2 * MAX_BODY,
                max_request_header_size=64 << 10,
            )
            self._threads = [one for one in threading.enumerate() if one not in others]
        except BaseException:
            listening.close()
            raise
        self.address, self.asks_curators = access.address, known is not None

    def run(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Serve until `stopping`, called several times a second, returns true, or until another thread calls `close`."""
        with self._serving:
            while not (self._stopped or stopping()):
                wasyncore.loop(timeout=_ASK_SECONDS, map=self._sockets, count=1)
        self.close()

    def close(self) -> None:
        """End `run` from another thread. If it never ran, release everything that was opened."""
        self._stopped = True
        with self._serving:
            self._server.task_dispatcher.shutdown()
            wasyncore.close_all(self._sockets)
            # A thread that is still in DuckDB when the interpreter ends would abort the process.
            for thread in self._threads:
                thread.join(_END_SECONDS)
            self.site.sandbox.close()
            if self.site.sources is not None:
                self.site.sources.close()
            self.site.store.close()


def _meanings(layout: Layout, config: CorpusConfig | None, spaces: list[str]) -> MeaningSearch | None:
    found = MeaningSearch(layout, config) if config is not None else None
    return found if found is not None and found.is_there and "sentences" in spaces else None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        return listening
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"port {port} is in use; choose another with --port, or 0 for any that is free") from None
        if error.errno == errno.EACCES:
            raise ConfigError(f"port {port} may not be used; choose one above 1023 with --port") from None
        raise ConfigError(f"--host {host}: {error.strerror or error}") from None


def _known_curators(layout: Layout, options: Options) -> KnownCurators | None:
    """The curators who sign in with tokens of their own; None if there is no such file."""
    if options.curators is not None:
        if options.token_file is not None:
            raise ConfigError("--curators and --token-file exclude each other: one token each, or one for all")
        return KnownCurators(options.curators)
    if options.token_file is not None or is_loopback(options.host) or not storage.exists(layout.curators):
        return None
    return KnownCurators(layout.curators)


def _token(options: Options) -> str:
    """The required token; "" on a loopback address if no token file is given."""
    if options.token_file is not None:
        try:
            token = storage.read_bytes(options.token_file).decode().strip()
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
            raise ConfigError(f"--token-file {options.token_file}: not a file with a token") from None
        if len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigError(
                f"--token-file {options.token_file}: a token is at least {MIN_TOKEN} letters, digits and signs; "
                "`openssl rand -hex 32` makes one"
            )
        return token
    return "" if is_loopback(options.host) else secrets.token_urlsafe(32)
