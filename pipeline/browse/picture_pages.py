"""The pages with pictures of the corpus: histograms, and plots of any two numbers."""

import time

import numpy as np
from flask import Flask, Response, abort, make_response, render_template, request

from longtake.pipeline.browse.axes import read_area
from longtake.pipeline.browse.combine import SelectionError
from longtake.pipeline.browse.list_pages import described
from longtake.pipeline.browse.plot import MOST_TOPICS, Colouring, by_category, by_number, packed
from longtake.pipeline.browse.selection import Selection, read_selection
from longtake.pipeline.browse.selection_pages import NOT_SELECTED
from longtake.pipeline.browse.site import Site
from longtake.pipeline.browse.store import Mask, all_of
from longtake.schemas.decision import STRICTEST_FIRST

_CATEGORIES = {"split": "split", "language": "language", "license": "license"}  # colour: column
_STATE = "state"


def add(app: Flask, site: Site) -> None:
    """Register these pages."""

    @app.get("/pictures")
    def pictures() -> str:
        begun = time.perf_counter()
        selection = read_selection(request.args)
        mask, problems = _mask(site, selection)
        return render_template(
            "pictures.html",
            selection=selection,
            histograms=site.histograms(mask),
            total=site.store.rows if mask is None else int(mask.sum()),
            problems=problems,
            seconds=time.perf_counter() - begun,
        )

    @app.get("/plot")
    def plot() -> str:
        selection = read_selection(request.args)
        axes = list(site.axes)
        names = [axis.name for axis in axes]
        x, y = request.args.get("x", ""), request.args.get("y", "")
        if selection.area and not (x and y):
            x, y = _axes_of(selection, names)
        by = request.args.get("colour", "")
        if x not in names or y not in names:
            x, y = (names + names)[:2]
            by = by or (f"topic:{site.maps[0].name}" if site.maps else "")
        mask, problems = _mask(site, selection)
        return render_template(
            "plot.html",
            selection=selection,
            axes=axes,
            x=x,
            y=y,
            colour=by,
            colours=[*_CATEGORIES, _STATE],
            maps=site.maps,
            total=site.store.rows if mask is None else int(mask.sum()),
            problems=problems,
        )

    @app.get("/plot.bin")
    def points() -> Response:
        selection = read_selection(request.args)
        mask, problems = _mask(site, selection)
        if problems:
            abort(400, problems[0])
        try:
            x, y = site.axes.values(request.args.get("x", "")), site.axes.values(request.args.get("y", ""))
            body = packed(x, y, _colouring(site, request.args.get("colour", "")), mask)
        except SelectionError as error:
            abort(400, str(error))
        return make_response(body, {"Content-Type": "application/octet-stream"})

    @app.get("/api/card/<int:row_id>")
    def card(row_id: int) -> str:
        rows = described(site, site.store.listed([row_id]), Selection())
        if not rows:
            abort(404, "no such sample")
        return render_template("_card.html", row=rows[0])


def _axes_of(selection: Selection, names: list[str]) -> tuple[str, str]:
    try:
        area = read_area(selection.area)
    except SelectionError:
        return "", ""
    return (area.x, area.y) if area.x in names and area.y in names else ("", "")


def _mask(site: Site, selection: Selection) -> tuple[Mask | None, list[str]]:
    """The rows of a selection, and what is wrong with it; if something is, no rows."""
    problems = list(selection.problems)
    try:
        masks, _ = site.rows(selection)
    except NOT_SELECTED as error:
        return np.zeros(site.store.rows, bool), [*problems, str(error)]
    return all_of(masks), problems


def _colouring(site: Site, by: str) -> Colouring | None:
    """The colours of rows by a column, an axis or the decision. Raises SelectionError."""
    if not by:
        return None
    if by in _CATEGORIES:
        return by_category(*site.store.groups(_CATEGORIES[by]))
    if by == _STATE:
        codes = np.zeros(site.store.rows, np.int32)
        for code, state in enumerate(STRICTEST_FIRST, 1):
            codes[site.marks.rows_in(site.store, state, "", site.seen())] = code
        return by_category(codes, ("undecided", *STRICTEST_FIRST))
    if by.startswith("topic:"):
        one = site.map_named(by.removeprefix("topic:"))
        labels = [one.topic_label(n) for n in range(len(one.words))]
        return by_category(one.topic, labels, MOST_TOPICS)
    return by_number(site.axes.values(by))
