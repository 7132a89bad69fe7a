"""The pages that serve frames as JPEG, read by range from the shards."""

import hashlib
from functools import cache
from pathlib import Path

from flask import Flask, Response, make_response, request

from longtake.pipeline.browse.entries import NoFrame
from longtake.pipeline.browse.site import Site
from longtake.schemas.errors import CorpusError

_KEEP_SECONDS = 300


def add(app: Flask, site: Site) -> None:
    """Register these pages."""

    @app.get("/frame/<key>/<int:number>.jpg")
    @app.get("/frame/<key>/middle.jpg")
    def frame(key: str, number: int | None = None) -> Response:
        try:
            data = site.entries.frame(key, number)
        except (NoFrame, CorpusError, OSError):
            response = make_response(_placeholder(), 404)
            response.mimetype = "image/svg+xml"
            return response
        response = make_response(data)
        response.mimetype = "image/jpeg"
        response.headers["Cache-Control"] = f"private, max-age={_KEEP_SECONDS}"
        response.set_etag(hashlib.sha256(data).hexdigest()[:32])
        response.make_conditional(request)
        return response


@cache
def _placeholder() -> bytes:
    return (Path(__file__).parent / "static" / "no-frame.svg").read_bytes()
