"""The web application: it registers the pages, and explains errors."""

import sys
import traceback
from typing import Any

from flask import Flask, Response, make_response, render_template, request
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException

from longtake.pipeline.browse import (
    frame_pages,
    list_pages,
    mark_pages,
    pair_pages,
    picture_pages,
    queue_pages,
    sample_pages,
    selection_pages,
    source_pages,
    table_pages,
)
from longtake.pipeline.browse.guard import Access, guard, is_let_in, told
from longtake.pipeline.browse.reading import clock, excerpt, figure, hours, meaning, share, words_of_slug
from longtake.pipeline.browse.selection import SCORE_NAMES
from longtake.pipeline.browse.site import Site
from longtake.pipeline.browse.viewer import viewer
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.printable import masked, printable
from longtake.schemas.wording import plural


def create_app(site: Site, access: Access) -> Flask:
    """The application for a corpus. It never opens a path from a request: static files come from this package."""
    app = Flask(__name__, static_folder="static", template_folder="templates")
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        clock=clock,
        counted=plural,
        meaning=meaning,
        figure=figure,
        words=words_of_slug,
        masked=masked,
        share=share,
        excerpt=excerpt,
        hours=hours,
    )
    for name in app.jinja_env.list_templates():  # compile them now, so that nobody waits later
        app.jinja_env.get_template(name)
    guard(app, access)
    for pages in (
        list_pages, sample_pages, frame_pages, mark_pages, queue_pages, table_pages, selection_pages, picture_pages,
        source_pages, pair_pages,
    ):  # fmt: skip
        pages.add(app, site)

    @app.before_request
    def _check_corpus() -> Response | None:
        if request.endpoint in ("static", "healthz") or site.current:
            return None
        return _explained(409, "This corpus has changed since it was opened. Start `longtake browse` again.")

    @app.context_processor
    def _of_site() -> dict[str, Any]:
        return {
            "site": site,
            "looks": viewer(),
            "reviewing": _is_there_a_sample(site),
            "queued": queue_pages.are_there_any(site),
            "score_names": SCORE_NAMES,
        }

    @app.get("/healthz")
    def healthz() -> Response:
        return make_response("ok\n", {"Content-Type": "text/plain; charset=utf-8"})

    @app.errorhandler(HTTPException)
    def _refused(error: HTTPException) -> Response:
        return _explained(error.code or 500, told(error))

    def _not_as_asked(error: Exception) -> Response:
        return _explained(400, str(error))

    for kind in (*selection_pages.NOT_SELECTED, ConfigError):
        app.register_error_handler(kind, _not_as_asked)

    @app.errorhandler(CorpusError)
    @app.errorhandler(OSError)
    def _broken(error: Exception) -> Response:
        return _explained(500, str(error))

    @app.errorhandler(Exception)
    def _failed(error: Exception) -> Response:
        for line in "".join(traceback.format_exception(error)).splitlines():
            print(printable(line), file=sys.stderr, flush=True)
        return _explained(500, f"{type(error).__name__}: the server's terminal tells more")

    return app


def _is_there_a_sample(site: Site) -> bool:
    try:
        return bool(site.sample_for_review())
    except (ConfigError, OSError):
        return True  # the page of the sample explains the error


def _explained(code: int, message: str) -> Response:
    if request.path.startswith("/api/"):
        return make_response({"error": message}, code)
    is_refused = code in (401, 403) or not is_let_in()
    page = "refused.html" if is_refused else "error.html"  # the first shows nothing of the corpus
    return make_response(render_template(page, code=code, message=message), code)
