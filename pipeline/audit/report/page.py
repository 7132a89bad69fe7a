"""The page itself: everything that it needs is in it, and nothing that it does not name by hash may run."""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from longtake.pipeline.audit.report import charts, formats
from longtake.pipeline.audit.report.comparison import Comparison, compare
from longtake.pipeline.audit.result import Audit, Sheet, Status

_PACKAGE = "longtake.pipeline.audit.report"
_WORST_FIRST = (Status.FAIL, Status.WARN, Status.SKIP, Status.PASS)
_IN_SCRIPT = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def render(audit: Audit, other: Audit | None = None) -> str:
    """The report of a corpus as HTML; with `other`, the two side by side. The same audits give the same text."""
    scripts = (_file("vendor/echarts.min.js"), _file("static/charts.js"))
    name = "compare.html.j2" if other is not None else "report.html.j2"
    comparison: Comparison | None = compare(audit, other) if other is not None else None
    return _environment().get_template(name).render(
        audit=audit,
        other=other,
        comparison=comparison,
        checks=sorted(audit.checks, key=lambda check: _WORST_FIRST.index(check.status)),
        policy=policy(scripts),
        style=Markup(_file("static/report.css")),  # noqa: S704  (ours)
        scripts=[Markup(script) for script in scripts],  # noqa: S704  (ours)
        notice=_file("vendor/NOTICE.echarts"),
        data=Markup(in_script(charts.charts(audit, other))),  # noqa: S704  (escaped)
        shown=_Shown(),
    )  # fmt: skip


def policy(scripts: tuple[str, ...]) -> str:
    """The content security policy: pictures from the page itself, the two scripts by their hashes, nothing from elsewhere."""
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    allowed = f"img-src data:; style-src 'unsafe-inline'; script-src {hashes}"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def in_script(data: Any) -> str:
    """JSON that cannot end the element which holds it."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_IN_SCRIPT)


class _Shown:
    """The sheets that are on the page already: what is there once more is a link to it."""

    def __init__(self) -> None:
        self._keys: set[str] = set()

    def first(self, sheet: Sheet) -> bool:
        """Whether a sheet has not been shown yet; it counts as shown from now on."""
        new = sheet.key not in self._keys
        self._keys.add(sheet.key)
        return new


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
    for name in ("cell", "clean", "beginning", "timecode", "link", "data_uri", "anchor", "number"):
        environment.filters[name] = getattr(formats, name)
    environment.tests["a_number"] = formats.is_number
    environment.tests["long"] = formats.is_long
    environment.globals.update(bins_table=charts.bins_table, beyond=charts.beyond, flow_rows=charts.flow_rows)
    return environment
