"""The pages that record decisions."""

from typing import Any

from flask import Flask, abort, render_template, request

from longtake.pipeline.browse.decision_table import DecisionTable
from longtake.pipeline.browse.marks import LABELS
from longtake.pipeline.browse.site import Site
from longtake.pipeline.browse.viewer import deciding_curator, viewer
from longtake.schemas.keys import is_sample_key

UNDO = "undo"
_FIELDS = ("subject", "subject_id", "decision", "label", "note", "curator", "basis", "change")
_MOST_AGE_S = 30 * 86_400  # a page that was longer without a network gives up its times


def add(app: Flask, site: Site) -> None:
    """Register these pages."""

    @app.post("/api/marks")
    def mark() -> dict[str, Any]:
        if site.read_only:
            abort(403, "this server only reads (--read-only)")
        given = request.get_json()
        if not isinstance(given, dict) or not all(isinstance(given.get(name, ""), str) for name in _FIELDS):
            abort(400, f"send an object with texts: {', '.join(_FIELDS)}")
        subject, subject_id, decision, label, note, _, basis, change = (given.get(name, "") for name in _FIELDS)
        decision, label, note = decision.strip(), label.strip(), note.strip()
        curator = deciding_curator(given.get("curator", "").strip())
        if label not in ("", *LABELS):
            abort(400, f"label: one of {', '.join(LABELS)}")
        if basis and not viewer().adjudicates:
            abort(403, f"{curator} may not settle conflicts: longtake curators --add NAME --adjudicates lets a curator")
        key, video_id = _known(site, subject, subject_id)
        if basis and (subject, subject_id) not in site.marks.disputed():
            abort(400, f"curators do not differ on this {subject}: there is nothing to settle")  # nor more to see
        rest = (basis, change, _age(given.get("age_s", 0)))
        if decision == UNDO:
            site.marks.undo(subject, subject_id, curator, *rest)
        else:
            site.marks.add(subject, subject_id, decision, label, note, curator, *rest)
        return told(
            site, site.marks.seen_by(curator, bool(basis)) if site.is_blind else site.marks.read(), key, video_id, basis
        )


def told(site: Site, seen: DecisionTable, key: str, video_id: str, basis: str) -> dict[str, Any]:
    """What a page shows of the decisions on a sample, or on a video if `key` is ""."""
    marks = seen.of(key, video_id) if key else seen.current.get(("video", video_id), [])
    html = render_template("_marks.html", marks=marks, unseen=unseen(site, seen, key, video_id))
    return {"state": seen.state(key, video_id), "html": html, "own": seen.own(key, video_id, basis)}


def unseen(site: Site, seen: DecisionTable, key: str, video_id: str) -> int:
    """How many decisions on a sample and its video do not show yet."""
    return len(site.marks.read().of(key, video_id)) - len(seen.of(key, video_id))


def _age(given: Any) -> float:
    """How long ago a decision was made, in seconds: it may have waited for the network."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= _MOST_AGE_S:
        return 0.0
    return float(given)


def _known(site: Site, subject: str, subject_id: str) -> tuple[str, str]:
    """The key ("" for a video) and the video of a subject. Answers 404 if the corpus has no such sample or video."""
    if subject == "sample" and is_sample_key(subject_id) and (row := site.store.sample(subject_id)):
        return subject_id, row["video_id"]
    if subject == "video" and (site.store.clips_of(subject_id, 1) or site.store.drops_of(subject_id, 1)):
        return "", subject_id
    abort(404, "this corpus has no such sample or video")
