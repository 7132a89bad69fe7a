"""The content of a page's charts, as plain data for static/charts.js, and as tables for people who cannot see the charts."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from longtake.pipeline.audit.report.formats import cell, number, percent, plain
from longtake.pipeline.audit.result import Distribution, Flow, Mark, PolicyCurve, Table

_CURVE_ROWS = 12
_ROOM = 1.0  # an axis grows by at most this many times its length at each end to show a mark
Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A step of a flow, or a reason why it dropped something. `share` is the share of the input, from 0 to 1."""

    label: str
    count: int
    share: float
    href: str
    is_drop: bool


def flow_rows(flow: Flow) -> list[FlowRow]:
    """The nodes of the flow as a list, in order."""
    whole = flow.nodes[0].count if flow.nodes else 0
    return [FlowRow(n.label, n.count, n.count / whole if whole else 0.0, n.href, n.is_drop) for n in flow.nodes]


def flow_chart(flow: Flow, hrefs: dict[str, str]) -> Spec:
    """A Sankey diagram. `hrefs` has the links of the nodes by name."""
    return {
        "kind": "flow",
        "nodes": [
            {"id": n.name, "label": plain(n.label), "count": n.count, "href": hrefs.get(n.name, ""), "drop": n.is_drop}
            for n in flow.nodes
        ],
        "links": [{"source": k.source, "target": k.target, "value": k.count} for k in flow.links],
    }


def chart(one: Distribution) -> Spec:
    """A histogram, or bars for categories. One split is drawn in numbers, several in shares."""
    series = [{"name": plain(s.name), "values": list(s.counts), "total": sum(s.counts)} for s in one.series]
    if one.categories:
        return {"kind": "categories", "labels": [plain(c) for c in one.categories], "series": series}
    shift, (low, high) = _shift(one), axis(one)
    return {
        "kind": "histogram",
        "unit": plain(one.unit),
        "edges": [edge - shift for edge in one.edges],
        "labels": bin_labels(one),
        "ends": ends(one),
        "low": low,
        "high": high,
        "series": series,
        "marks": [mark for mark in _marks(one) if low <= mark["value"] <= high],
    }


def compared_chart(one: Distribution, other: Distribution, names: tuple[str, str]) -> Spec:
    """All splits of both corpora, in shares: bars for categories, else lines, because the bins of the two may differ."""
    both = list(zip(names, (one, other), strict=True))
    if one.categories or other.categories:
        labels = list(dict.fromkeys([*one.categories, *other.categories]))
        series = []
        for name, found in both:
            counts = dict(zip(found.categories, total(found), strict=True))
            values = [counts.get(label, 0) for label in labels]
            series.append({"name": plain(name), "values": values, "total": sum(values)})
        return {"kind": "categories", "labels": [plain(label) for label in labels], "series": series}
    lines = []
    for name, found in both:
        heard, edges = total(found), [edge - _shift(found) for edge in found.edges]
        whole = max(sum(heard), 1)
        heights = [n / whole / (b - a) for (a, b), n in zip(pairwise(edges), heard, strict=True)]
        lines.append({"name": plain(name), "points": [[edges[0], 0], *zip(edges, [*heights, 0], strict=True)]})
    marks = {(m["label"], m["value"], m["kind"]): m for found in (one, other) for m in _marks(found)}
    bounds = axis(one), axis(other)
    low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
    return {
        "kind": "lines", "unit": plain(one.unit), "low": low, "high": high, "ends": [*ends(one), *ends(other)], "series": lines,
        "marks": [mark for mark in marks.values() if low <= mark["value"] <= high],
    }  # fmt: skip


def curve_chart(one: PolicyCurve) -> Spec:
    """The shares of samples and hours that a threshold keeps as it moves, alone and with the other rules of its policy."""
    names = ("samples", "hours", "samples*", "hours*")  # more does not fit into the legend
    levels = [point[0] for point in one.points]
    lines = [
        {"name": name, "points": [[point[0], point[n]] for point in one.points]} for n, name in enumerate(names, 1)
    ]
    mark = {"label": f"policy {one.bound:g}", "value": one.bound, "kind": "threshold"}
    return {
        "kind": "lines", "unit": "threshold", "low": levels[0], "high": levels[-1], "ends": [levels[0], levels[-1]],
        "series": lines, "marks": [mark], "shares": True,
    }  # fmt: skip


def curve_table(one: PolicyCurve) -> Table:
    """Some points of such a curve as a table, that of the policy among them."""
    step = max(1, len(one.points) // _CURVE_ROWS)
    shown = [
        point
        for n, point in enumerate(one.points)
        if n % step == 0 or point[0] == one.bound or n == len(one.points) - 1
    ]
    rows = tuple((number(level), *map(percent, shares)) for level, *shares in shown)
    columns = ("threshold", "samples kept", "hours kept", "samples kept by all rules", "hours kept by all rules")
    return Table(f"{one.title}: what it costs", columns, rows)


def total(one: Distribution) -> list[int]:
    """The counts of all splits together."""
    return [sum(counts) for counts in zip(*(s.counts for s in one.series), strict=True)]


def _shift(one: Distribution) -> float:
    """The offset of the bins. Whole numbers n lie in the bin [n, n + 1). Drawn around n, a threshold on n does not seem to cut
    off n."""
    return 0.5 if one.whole and all(float(edge).is_integer() for edge in one.edges) else 0.0


def _marks(one: Distribution) -> Iterator[Spec]:
    for marks, kind in ((one.thresholds, "threshold"), (one.references, "reference")):
        for mark in marks:
            if math.isfinite(mark.value):
                yield {"label": plain(mark.label), "value": mark.value, "kind": kind}


def axis(one: Distribution) -> tuple[float, float]:
    """The bounds of the axis: the bounds of the bins, extended to marks that are not too far away."""
    shift = _shift(one)
    low, high = one.edges[0] - shift, one.edges[-1] - shift
    room = (high - low) * _ROOM
    near = [mark["value"] for mark in _marks(one) if low - room <= mark["value"] <= high + room]
    return min([low, *near]), max([high, *near])


def ends(one: Distribution) -> list[float]:
    """The bounds of the axis that are round numbers and get a label."""
    return [] if one.whole else [one.edges[0], one.edges[-1]]


def beyond(one: Distribution) -> list[Mark]:
    """Thresholds and published figures that are too far away to draw."""
    if not one.edges:
        return []
    low, high = axis(one)
    return [mark for mark in (*one.thresholds, *one.references) if not low <= mark.value <= high]


def bin_labels(one: Distribution) -> list[str]:
    """The content of each bin, in words."""
    if one.categories:
        return [plain(name) for name in one.categories]
    if one.whole:
        pairs = [(math.ceil(a), math.ceil(b) - 1) for a, b in pairwise(one.edges)]
        return [number(a) if a >= b else f"{number(a)} to {number(b)}" for a, b in pairs]
    return [f"{number(a)} to {number(b)}" for a, b in pairwise(one.edges)]


def bins_table(one: Distribution) -> Table:
    """The numbers of a chart as a table, with shares if there are several splits."""
    columns, counted = [one.unit or "value"], []
    for series in one.series:
        columns.append(series.name)
        whole = max(sum(series.counts), 1)
        counted.append(list(series.counts))
        if len(one.series) > 1:
            columns.append("share")
            counted.append([percent(n / whole) for n in series.counts])  # type: ignore[misc]
    rows = tuple((label, *(column[n] for column in counted)) for n, label in enumerate(bin_labels(one)))
    return Table(f"{one.title}: numbers of the chart", tuple(columns), rows)


def described(one: Distribution) -> str:
    """The chart in words, for people who cannot see it."""
    text = f"{one.title}: bar chart of {len(bin_labels(one))} {'categories' if one.categories else 'ranges'}"
    if one.summary and one.summary.rows and {"median", "p5", "p95"} <= set(one.summary.columns):
        found = dict(zip(one.summary.columns, one.summary.rows[-1], strict=True))
        text += f"; median {cell(found['median'])}, 5 % to 95 %: {cell(found['p5'])} to {cell(found['p95'])}"
    elif one.categories and one.series:
        counts = total(one)
        top = max(range(len(counts)), key=counts.__getitem__)
        text += f"; most frequent: {one.categories[top]} ({counts[top]:,})"
    return f"{plain(text)}. Its numbers are in the table after it."
