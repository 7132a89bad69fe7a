"""The pages of the ledger, and of SQL."""

import time
from typing import Any

from flask import Flask, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from longtake.pipeline.browse.sandbox import QueryError, is_query, may_ask_decisions
from longtake.pipeline.browse.selection import PAGE, PROOF, sql_values
from longtake.pipeline.browse.site import NOT_RUN, Site

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

    def _as_list(query: str) -> str:
        """The address of the list with the samples that a query finds, also those that are not shown."""
        condition = f"key IN (SELECT key FROM (\n{query.rstrip().rstrip(';')}\n))"  # noqa: S608  (run in the sandbox)
        return url_for("samples", **sql_values(condition, site.proof(condition)))

    @app.context_processor
    def _links() -> dict[str, Any]:
        return {"sql_link": lambda sql: url_for("sql", **sql_values(sql, site.proof(sql)))}

    @app.post("/ask")
    def ask() -> AnyResponse:
        """Turn a form with SQL into an address with a proof, which the browser can keep and return to."""
        given: dict[str, Any] = {name: text for name, value in request.form.items() if (text := value.strip())}
        given = {name: text for name, text in given.items() if name not in ("csrf", PROOF)}
        typed = given.get("sql", "")
        asked = sql_values(typed, site.proof(typed)) if typed else {}
        if is_query(typed):
            return redirect(url_for("sql", **asked), 303)
        return redirect(url_for("samples", **given | asked), 303)

    @app.get("/sql")
    def sql() -> str | AnyResponse:
        typed = request.args.get("sql", "").strip()
        proof = request.args.get(PROOF, "")
        if typed and not is_query(typed):
            return redirect(url_for("samples", **sql_values(typed, proof)))
        result, problem = None, ""
        begun = time.perf_counter()
        if typed and not site.proves(typed, proof):
            problem = NOT_RUN
        elif typed:
            try:
                result = site.sandbox.run(typed, site.seen().rows if may_ask_decisions(typed) else None)
            except QueryError as error:
                problem = str(error)
        return render_template(
            "sql.html",
            typed=typed,
            result=result,
            problem=problem,
            listed=_as_list(typed) if result is not None and "key" in result.columns else "",
            seconds=time.perf_counter() - begun,
            examples=EXAMPLES,
        )
