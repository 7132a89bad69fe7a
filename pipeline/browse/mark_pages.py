"""The pages that record decisions."""

from typing import Any

from flask import Flask, abort, render_template, request

from longtake.pipeline.browse.marks import LABELS
from longtake.pipeline.browse.site import Site
from longtake.schemas.keys import is_sample_key

UNDO = "undo"
_FIELDS = ("subject", "subject_id", "decision", "label", "note", "curator")


def add(app: Flask, site: Site) -> None:
    """Register these pages."""

    @app.post("/api/marks")
    def mark() -> dict[str, Any]:
        if site.read_only:
            abort(403, "this server only reads (--read-only)")
        given = request.get_json()
        if not isinstance(given, dict) or not all(isinstance(given.get(name, ""), str) for name in _FIELDS):
            abort(400, f"send an object with texts: {', '.join(_FIELDS)}")
        values = {name: given.get(name, "").strip() for name in _FIELDS[2:]}
        if not values["curator"]:
            abort(400, "say who decides")
        if values["label"] not in ("", *LABELS):
            abort(400, f"label: one of {', '.join(LABELS)}")
        subject, subject_id = given.get("subject", ""), given.get("subject_id", "")
        key, video_id = _known(site, subject, subject_id)
        if values["decision"] == UNDO:
            site.marks.undo(subject, subject_id, values["curator"])
        else:
            site.marks.add(subject, subject_id, *values.values())
        decided = site.marks.read()
        marks = decided.of(key, video_id) if key else decided.current.get(("video", video_id), [])
        html = render_template("_marks.html", marks=marks)
        return {"state": decided.state(key, video_id), "html": html, "own": decided.own(key, video_id)}


def _known(site: Site, subject: str, subject_id: str) -> tuple[str, str]:
    """The key ("" for a video) and the video of a subject. Answers 404 if the corpus has no such sample or video."""
    if subject == "sample" and is_sample_key(subject_id) and (row := site.store.sample(subject_id)):
        return subject_id, row["video_id"]
    if subject == "video" and (site.store.clips_of(subject_id, 1) or site.store.drops_of(subject_id, 1)):
        return "", subject_id
    abort(404, "this corpus has no such sample or video")
