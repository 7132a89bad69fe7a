"""The pages of selections: save, combine, decide in bulk, export."""

from typing import Any
from urllib.parse import parse_qsl

from flask import Flask, Response, abort, render_template, request

from longtake.pipeline.browse import bulk
from longtake.pipeline.browse.audit_checks import read_checks
from longtake.pipeline.browse.combine import SelectionError
from longtake.pipeline.browse.export import KINDS, export
from longtake.pipeline.browse.marks import LABELS
from longtake.pipeline.browse.sandbox import QueryError
from longtake.pipeline.browse.saved import SavedSelection
from longtake.pipeline.browse.selection import Selection, read_selection
from longtake.pipeline.browse.site import Named, Site
from longtake.pipeline.browse.store import Ids, SlowSearch, all_of
from longtake.pipeline.browse.viewer import deciding_curator, viewer
from longtake.schemas.decision import STRICTEST_FIRST
from longtake.schemas.errors import ConfigError

#: What the evaluation of a selection may raise for the person who asked for it.
NOT_SELECTED = (QueryError, SelectionError, SlowSearch)


def add(app: Flask, site: Site) -> None:
    """Register these pages."""

    @app.get("/selections")
    def selections() -> str:
        known: Named = {}
        saved = [_shown(site, one, known) for one in site.saved.read().values()]
        return render_template("selections.html", saved=saved, checks=read_checks(site.layout))

    @app.post("/api/selections")
    def save() -> dict[str, Any]:
        given = texts_given(site, "name", "query", "expected", "curator", "keep", "replace")
        curator, selection = deciding_curator(given["curator"]), selection_asked(given["query"])
        is_fixed = given["keep"] == "samples"
        ids = ids_of(
            site, selection, given["expected"] if is_fixed else None
        )  # also of a rule: what cannot be evaluated is not saved
        keys = tuple(site.store.keys_of(ids)) if is_fixed else None
        site.saved.save(given["name"], selection.rule, keys, curator, given["replace"] == "1")
        return {"name": given["name"]}

    @app.post("/api/selections/delete")
    def delete() -> dict[str, Any]:
        given = texts_given(site, "name")
        site.saved.delete(given["name"])
        return {"name": given["name"]}

    @app.get("/api/bulk")
    def bulks() -> str:
        looks = viewer()
        curator = looks.name if looks.is_proved else request.args.get("by", "")
        return render_template("_bulks.html", bulks=bulk.bulks(site.marks.read(), curator))

    @app.post("/api/bulk")
    def decide() -> dict[str, Any]:
        given = texts_given(site, "query", "expected", "decision", "label", "note", "curator")
        curator = deciding_curator(given["curator"])
        if given["decision"] not in STRICTEST_FIRST or given["label"] not in ("", *LABELS):
            abort(400, f"decision: {', '.join(STRICTEST_FIRST)}; label: {', '.join(LABELS)}")
        ids = ids_of(site, selection_asked(given["query"]), given["expected"])
        verdict = (given["decision"], given["label"], given["note"])
        return {"done": bulk.decide(site.marks, site.store.keys_of(ids), verdict, curator)}

    @app.post("/api/bulk/undo")
    def undo() -> dict[str, Any]:
        given = texts_given(site, "curator", "decided_at", "decision", "label", "note")
        curator = deciding_curator(given["curator"])
        verdict = (given["decision"], given["label"], given["note"])
        return {"done": bulk.undo(site.marks, curator, given["decided_at"], verdict)}

    @app.get("/export/<kind>")
    def exported(kind: str) -> Response:
        if kind not in KINDS:
            abort(404, f"no such file; there are {', '.join(KINDS)}")
        mime, end = KINDS[kind]
        selection = _checked(read_selection(request.args))
        parts = export(site.store, site.seen(selection), ids_of(site, selection), kind)
        headers = {"Content-Disposition": f'attachment; filename="selection.{end}"'}
        return Response(parts, headers=headers, content_type=mime)


def _shown(site: Site, one: SavedSelection, known: Named) -> dict[str, Any]:
    """What the page tells of a saved selection: its size, or why it has none."""
    shown = {
        "one": one,
        "told": read_selection(one.query).told if one.keys is None else f"{len(one.keys):,} fixed samples",
        "size": None,
        "seconds": 0.0,
        "problem": "",
    }
    try:
        mask = site.named(one.name, known)
    except NOT_SELECTED as error:
        return shown | {"problem": str(error)}
    return shown | {"size": int(mask.sum()), "seconds": site.store.seconds(mask)}


def texts_given(site: Site, *names: str) -> dict[str, str]:
    """The texts of the object that a page sent. Aborts if the server only reads."""
    if site.read_only:
        abort(403, "this server only reads (--read-only)")
    given = request.get_json()
    if not isinstance(given, dict) or not all(isinstance(given.get(name, ""), str) for name in names):
        abort(400, f"send an object with texts: {', '.join(names)}")
    return {name: given.get(name, "").strip() for name in names}


def selection_asked(query: str) -> Selection:
    """The selection that a page sent as the query of an address. Aborts if a part of it cannot be read."""
    return _checked(read_selection(dict(parse_qsl(query, max_num_fields=200))))


def _checked(selection: Selection) -> Selection:
    if selection.problems:  # what was ignored would choose more samples than was meant
        abort(400, selection.problems[0])
    return selection


def ids_of(site: Site, selection: Selection, expected: str | None = None) -> Ids:
    """The rows of a selection, in its order. Aborts if they are not those `expected` (Site.shown): somebody changed them
    since the page showed them. Raises ConfigError where the selection cannot be evaluated."""
    try:
        masks, order = site.rows(selection)
        if expected is not None and expected != (now := site.shown(all_of(masks))):
            was, there = expected.partition(":")[0][:20], int(now.partition(":")[0])
            abort(409, f"the page showed {was} samples, and there are others ({there:,}) now. Load it again.")
        return site.store.chosen(masks, order)
    except NOT_SELECTED as error:
        raise ConfigError(str(error)) from None
