"""The page of the queues: what each curator is to judge, how far everybody is, and the conflicts that are to be settled."""

import hashlib
from typing import Any

from flask import Flask, abort, render_template

from longtake.pipeline.audit.queues import CONFLICTS, checked_queue, deal, write_queue
from longtake.pipeline.audit.sampling import ReviewSample
from longtake.pipeline.browse.selection import Selection
from longtake.pipeline.browse.selection_pages import ids_of, selection_asked, texts_given
from longtake.pipeline.browse.site import Site
from longtake.pipeline.browse.viewer import viewer
from longtake.schemas.decision import standing
from longtake.schemas.errors import ConfigError


def add(app: Flask, site: Site) -> None:
    """Register this page."""

    @app.get("/queues")
    def queues() -> str:
        whole, looks = site.marks.read(), viewer()
        found = site.queues().progress(whole.current)
        disputed = site.marks.disputed().values()
        open_ones = sum(len({one.decision for one in standing(those)}) > 1 for those in disputed)
        first = None
        if looks.adjudicates and open_ones and not site.read_only:
            selection = Selection(queue=CONFLICTS)
            rows, _ = site.store.page(*site.rows(selection), 0, 1)
            first = rows[0]["key"] if rows else None
        own = [one for one in found if one.curator == looks.name]
        return render_template(
            "queues.html",
            own=own,
            others=[one for one in found if one.curator != looks.name],
            open_conflicts=open_ones,
            settled=len(disputed) - open_ones,
            first_conflict=first,
            conflicts=Selection(queue=CONFLICTS).query,
            query_of={one.address: Selection(queue=one.address).query for one in found},
        )

    @app.post("/api/queues")
    def assign() -> dict[str, Any]:
        if not viewer().adjudicates:
            abort(
                403,
                f"{viewer().name} may not deal out queues: longtake curators --add NAME --adjudicates lets a curator",
            )
        given = texts_given(site, "name", "query", "expected", "to", "double")
        name, curators = checked_queue(given["name"]), [one for part in given["to"].split(",") if (one := part.strip())]
        selection = selection_asked(given["query"])
        ids = ids_of(site, selection, given["expected"])
        samples = site.store.subjects(ids)
        drawn = [
            ReviewSample(key, video_id, split, selection.told[:200], len(samples), 1.0, 0)
            for key, video_id, split in sorted(
                samples, key=lambda one: hashlib.sha256(f"{name}:{one[0]}".encode()).digest()
            )
        ]
        dealt = deal(drawn, name, curators, _share(given["double"]))
        write_queue(site.layout, name, dealt, replace=False)
        return {"name": name, "verdicts": len(dealt)}


def _share(text: str) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        abort(400, "judged twice: a share from 0 to 1, as 0.1")
    return value


def are_there_any(site: Site) -> bool:
    """Whether there is a queue, or a conflict."""
    try:
        return bool(site.queues().rows) or bool(site.marks.disputed())
    except (ConfigError, OSError):
        return True  # the page explains the error
