"""The page itself: it includes everything it needs, and only scripts whose hash it states may run."""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from longtake.pipeline.audit.report import charts, formats, score_lines
from longtake.pipeline.audit.report.anchors import Anchors
from longtake.pipeline.audit.report.charts import Spec
from longtake.pipeline.audit.report.comparison import AuditComparison, compare
from longtake.pipeline.audit.report.pictures import Pictures, sheets_of
from longtake.pipeline.audit.result import Audit, AuditCheck, CheckStatus
from longtake.schemas.wording import clock

_PACKAGE = "longtake.pipeline.audit.report"
_WORST_FIRST = (CheckStatus.FAIL, CheckStatus.WARN, CheckStatus.SKIP, CheckStatus.PASS)
_SECTIONS = {
    "summary": "Summary",
    "checks": "Checks",
    "flows": "Where everything went",
    "distributions": "Distributions",
    "kept": "Kept samples",
    "left-out": "Dropped",
    "policy": "Policy",
    "decisions": "Decisions",
    "review": "Sample for review",
    "published": "Beside published datasets",
    "provenance": "Provenance",
}
_COMPARED = {
    "numbers": "Numbers",
    "checks": "Checks",
    "distributions": "Distributions",
    "left-out": "Dropped",
    "settings": "Settings that differ",
}
#: Ids in the templates, except the sections' ids.
_TAKEN = ("main", "charts", "top", "all-sql")
_SCRIPTS = ("vendor/echarts.min.js", "static/charts.js", "static/page.js")
_LICENCES = ("vendor/NOTICE.echarts", "vendor/LICENSE.echarts", "vendor/LICENSE.d3")
_IN_SCRIPT = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def render(audit: Audit, other: Audit | None = None) -> str:
    """The report of a corpus as HTML; with `other`, the comparison of the two. The same audits give the same text."""
    if other is not None:
        return _compared(audit, other)
    anchors = Anchors((*_SECTIONS, *_TAKEN))
    for name in (*(group.name for group in audit.kept), *(group.name for group in audit.dropped)):
        anchors.add(name)
    hrefs = {node.name: anchors.href(node.href) for flow in audit.flows for node in flow.nodes}
    drawn = {f"flow-{n}": charts.flow_chart(flow, hrefs) for n, flow in enumerate(audit.flows) if flow.links}
    drawn |= {f"dist-{d.name}": charts.chart(d) for d in audit.distributions if not d.missing and d.series}
    if audit.policy is not None:
        drawn |= {f"curve-{n}": charts.curve_chart(one) for n, one in enumerate(audit.policy.curves) if one.points}
    return _page(
        "report.html.j2",
        drawn,
        audit=audit,
        sections={name: title for name, title in _SECTIONS.items() if name != "policy" or audit.policy},
        checks=worst_first(audit.checks),
        anchors=anchors,
        pictures=Pictures(sheets_of(audit)),
    )


def _compared(audit: Audit, other: Audit) -> str:
    found: AuditComparison = compare(audit, other)
    drawn = {}
    for pair in found.distributions:
        one, two = pair.both
        if one is not None and two is not None:
            drawn[f"dist-{pair.name}"] = charts.compared_chart(one, two, found.short)
    return _page(
        "compare.html.j2", drawn, audit=audit, other=other, comparison=found, sections=_COMPARED,
        anchors=Anchors((*_COMPARED, *_TAKEN)),
    )  # fmt: skip


def worst_first(checks: tuple[AuditCheck, ...]) -> list[AuditCheck]:
    """The checks, failed ones first, otherwise in their order."""
    return sorted(checks, key=lambda check: _WORST_FIRST.index(check.status))


def _page(template: str, drawn: dict[str, Spec], **values: Any) -> str:
    scripts = tuple(_file(name) for name in _SCRIPTS)
    return _environment().get_template(template).render(
        **values,
        drawn=drawn,
        policy=policy(scripts),
        style=Markup(_file("static/report.css")),  # noqa: S704  (ours)
        scripts=[Markup(script) for script in scripts],  # noqa: S704  (ours)
        licences=[_file(name) for name in _LICENCES],
        data=Markup(in_script(drawn)),  # noqa: S704  (escaped)
    )  # fmt: skip


def policy(scripts: tuple[str, ...]) -> str:
    """The content security policy: pictures from the page itself, these scripts by their hashes, nothing from outside."""
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    allowed = f"img-src data:; style-src 'unsafe-inline'; script-src {hashes}"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def in_script(data: Any) -> str:
    """`data` as JSON that cannot end the element around it."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_IN_SCRIPT)


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


@cache
def _file(name: str) -> str:
    return files(_PACKAGE).joinpath(name).read_text("utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(_PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for name in (
        "cell",
        "plain",
        "beginning",
        "rest",
        "link",
        "number",
        "percent",
        "share_of",
        "jpeg_size",
    ):
        environment.filters[name] = getattr(formats, name)
    environment.filters["clock"] = clock
    environment.filters["width"] = formats.width
    environment.tests["a_number"] = formats.is_number
    environment.globals.update(
        bins_table=charts.bins_table,
        curve_table=charts.curve_table,
        beyond=charts.beyond,
        described=charts.described,
        flow_rows=charts.flow_rows,
        score_lines=score_lines.score_lines,
    )
    return environment
