"""The pages with the list of samples, and with the sample for review."""

import time
from collections import Counter
from typing import Any

from flask import Flask, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from longtake.pipeline.browse.audit_checks import read_checks
from longtake.pipeline.browse.combine import SelectionError
from longtake.pipeline.browse.marks import LABELS
from longtake.pipeline.browse.reading import excerpt
from longtake.pipeline.browse.sandbox import QueryError, is_query
from longtake.pipeline.browse.selection import PAGE, STATES, Selection, read_selection, sql_values
from longtake.pipeline.browse.site import Site
from longtake.pipeline.browse.store import SlowSearch, all_of


def add(app: Flask, site: Site) -> None:
    """Register these pages."""

    @app.get("/")
    def samples() -> str | AnyResponse:
        begun = time.perf_counter()
        selection = read_selection(request.args)
        if is_query(selection.condition):
            return redirect(url_for("sql", **sql_values(selection.condition, selection.proof)))
        number = _page_number()
        problems = list(selection.problems)
        rows: list[dict[str, Any]] = []
        total, length, shown = 0, 0.0, ""
        try:
            masks, order = site.rows(selection)
            rows, total = site.store.page(masks, order, (number - 1) * PAGE, PAGE)
            chosen = all_of(masks)
            length, shown = site.store.seconds(chosen), site.shown(chosen)
        except SelectionError as error:
            problems.append(f"Selection: {error}")
        except QueryError as error:
            problems.append(f"SQL: {error}")
        except SlowSearch as error:
            problems.append(f"Search: {error}")
        pages = max(1, -(-total // PAGE))
        if number > pages:
            return redirect(f"{url_for('samples')}?{selection.query}&p={pages}")
        return render_template(
            "list.html",
            selection=selection,
            rows=described(site, rows, selection),
            total=total,
            length=length,
            shown=shown,
            number=number,
            pages=pages,
            first=(number - 1) * PAGE,
            problems=problems,
            curators=site.marks.curators(),
            saved=sorted(site.saved.read()),
            checks=read_checks(site.layout),
            labels=LABELS,
            states=STATES,
            seconds=time.perf_counter() - begun,
        )

    @app.get("/review")
    def review() -> str | Response:
        drawn = site.sample_for_review()
        if not drawn:
            return render_template("review.html", drawn=None)
        seen, whole = site.seen(), site.marks.read()
        states = [
            seen.state(one.key, one.video_id) or ("decided" if whole.is_decided(one.key, one.video_id) else "")
            for one in drawn
        ]
        strata: dict[str, Counter[str]] = {}
        for one, state in zip(drawn, states, strict=True):
            strata.setdefault(one.stratum, Counter())[state or "undecided"] += 1
        there = [row is not None for row in site.store.rows_of([one.key for one in drawn])]
        waiting = [n for n, state in enumerate(states) if not state and there[n]]
        return render_template(
            "review.html",
            drawn=drawn,
            done=sum(bool(state) for state in states),
            counts=Counter(state or "undecided" for state in states),
            strata=sorted(strata.items()),
            following=drawn[waiting[0]].key if waiting else None,
            gone=there.count(False),
            review=Selection(review=True).query,
        )


def described(site: Site, rows: list[dict[str, Any]], selection: Selection) -> list[dict[str, Any]]:
    """Rows with two more fields for cards: the state, and the part of the text that matches the search."""
    decided = site.seen(selection)
    return [
        row
        | {
            "state": decided.state(row["key"], row["video_id"]),
            "excerpt": excerpt(row["text"] or "", selection.text),
        }
        for row in rows
    ]


def _page_number() -> int:
    text = request.args.get("p", "1")
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 10 else 1
