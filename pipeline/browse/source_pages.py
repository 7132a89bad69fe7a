"""The pages that serve the source of a sample: the video by ranges, its captions, its waveform."""

import os
from typing import Any

from flask import Flask, Response, abort, make_response, request
from werkzeug.utils import send_file
from werkzeug.wrappers import Response as AnyResponse

from longtake.pipeline.browse.site import Site
from longtake.pipeline.browse.source_files import NoSource, SourceFiles, mime_of
from longtake.schemas.records import IndexEntry

PARTS = 600  # of a waveform
_MOST_BYTES = (
    4 << 20
)  # of a range; with more, whoever pauses a video would hold a thread of the server until it goes on


def add(app: Flask, site: Site) -> None:
    """Register these pages."""

    def asked(key: str) -> tuple[SourceFiles, IndexEntry]:
        entry = site.entries.entry(key)
        if site.sources is None or entry is None:
            abort(404, "no such source; start longtake browse with --config")
        return site.sources, entry

    @app.get("/source/<key>")
    def source(key: str) -> AnyResponse:
        sources, entry = asked(key)
        try:
            path = sources.path(entry)
        except NoSource as error:
            abort(404, str(error))
        answer = send_file(path, _in_part(os.path.getsize(path)), mime_of(path), conditional=True, max_age=0)
        answer.headers["Accept-Ranges"] = "bytes"
        return answer

    @app.get("/captions/<key>.vtt")
    def captions(key: str) -> Response:
        _, entry = asked(key)
        return make_response(webvtt(entry), {"Content-Type": "text/vtt; charset=utf-8"})

    @app.get("/api/waveform/<key>")
    def waveform(key: str) -> dict[str, Any]:
        sources, entry = asked(key)
        try:
            return {"peaks": sources.waveform(entry, PARTS)}
        except NoSource as error:
            abort(404, str(error))


def _in_part(size: int) -> dict[str, Any]:
    """The request for a file of `size` bytes, with a range that one answer may hold. Browsers ask for what is missing."""
    bounds = request.range.range_for_length(size) if request.range else None
    if bounds is None:
        return request.environ
    start, stop = bounds
    return request.environ | {"HTTP_RANGE": f"bytes={start}-{min(stop, start + _MOST_BYTES) - 1}"}


def webvtt(entry: IndexEntry) -> str:
    """The sentences of a sample as WebVTT, in the time of its source."""
    cues = [
        f"{number}\n{_time(one.start_ms)} --> {_time(one.end_ms)}\n{_cue(one.text)}\n"
        for number, one in enumerate(entry.clip.sentences, 1)
        if one.end_ms > one.start_ms
    ]
    return "WEBVTT\n\n" + "\n".join(cues)


def _time(ms: int) -> str:
    seconds, ms = divmod(max(0, ms), 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"


def _cue(text: str) -> str:
    """A text as the payload of a cue: one line, no tags, no arrow."""
    plain = " ".join(text.split())
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
