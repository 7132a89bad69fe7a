"""The page of the queues: what each curator is to judge, how far everybody is, and the conflicts that are to be settled."""

from flask import Flask, render_template

from longtake.pipeline.audit.queues import CONFLICTS
from longtake.pipeline.browse.selection import Selection
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
        disputed = whole.disputed.values()
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


def are_there_any(site: Site) -> bool:
    """Whether there is a queue, or a conflict."""
    try:
        return bool(site.queues().rows) or bool(site.marks.read().disputed)
    except (ConfigError, OSError):
        return True  # the page explains the error
