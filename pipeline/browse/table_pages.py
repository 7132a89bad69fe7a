"""The ledger, and SQL."""

import time

from flask import Flask, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from longtake.pipeline.browse.sandbox import QueryError, is_query
from longtake.pipeline.browse.selection import PAGE
from longtake.pipeline.browse.site import Site

_ROWS = 2 * PAGE
EXAMPLES = (
    "SELECT split, count(*) AS samples, round(sum(duration) / 3600, 2) AS hours FROM samples GROUP BY ALL",
    "SELECT key, n_words, words_per_second FROM samples ORDER BY words_per_second DESC LIMIT 20",
    "SELECT license, count(DISTINCT video_id) AS videos, count(*) AS samples FROM samples GROUP BY ALL ORDER BY samples DESC",
    "SELECT stage, reason, subject, count(*) AS n FROM ledger GROUP BY ALL ORDER BY n DESC",
    "SELECT curator, decision, label, count(*) AS n FROM decisions GROUP BY ALL ORDER BY ALL",
    "SUMMARIZE samples",
)


def add(app: Flask, site: Site) -> None:
    """Register these pages."""

    @app.get("/ledger")
    def ledger() -> str:
        asked = {name: request.args.get(name, "")[:200] for name in ("subject", "stage", "reason", "q")}
        text = request.args.get("p", "1")
        number = max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 10 else 1
        rows, total = site.store.drops(
            asked["subject"], asked["stage"], asked["reason"], asked["q"], (number - 1) * _ROWS, _ROWS
        )
        return render_template(
            "ledger.html",
            asked=asked,
            counts=site.store.drop_counts(),
            rows=rows,
            total=total,
            number=number,
            pages=max(1, -(-total // _ROWS)),
            filters={name: value for name, value in asked.items() if value},
        )

    @app.get("/sql")
    def sql() -> str | AnyResponse:
        typed = request.args.get("sql", "").strip()
        if typed and not is_query(typed):
            return redirect(url_for("samples", sql=typed))
        result, problem = None, ""
        begun = time.perf_counter()
        if typed:
            try:
                result = site.sandbox.run(typed, site.marks.read().rows)
            except QueryError as error:
                problem = str(error)
        return render_template(
            "sql.html",
            typed=typed,
            result=result,
            problem=problem,
            seconds=time.perf_counter() - begun,
            examples=EXAMPLES,
        )
