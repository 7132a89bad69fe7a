"""What the charts of a page show, as plain data for static/charts.js, and the same as tables for who cannot see them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from longtake.pipeline.audit.report.formats import clean, number
from longtake.pipeline.audit.result import Audit, Distribution, Flow, Mark, Table

_ROOM = 1.0  # an axis grows by so many times its length to show a threshold


def charts(audit: Audit, other: Audit | None = None) -> dict[str, dict[str, Any]]:
    """The charts of a page by the id of their figure; with `other`, distributions of both in shares."""
    found = {f"flow-{flow.subject.replace(' ', '-')}": flow_chart(flow) for flow in audit.flows if flow.links}
    for one in audit.distributions:
        if not one.missing:
            twin = _twin(one, other)
            found[f"dist-{one.name}"] = compared_chart(one, twin, audit, other) if twin and other else chart(one)
    return found


def _twin(one: Distribution, other: Audit | None) -> Distribution | None:
    return next((d for d in other.distributions if d.name == one.name and not d.missing), None) if other else None


def flow_chart(flow: Flow) -> dict[str, Any]:
    """A Sankey diagram."""
    return {
        "kind": "flow",
        "nodes": [
            {"id": n.name, "label": clean(n.label), "count": n.count, "href": n.href, "drop": n.is_drop}
            for n in flow.nodes
        ],
        "links": [{"source": k.source, "target": k.target, "value": k.count} for k in flow.links],
    }


def chart(one: Distribution) -> dict[str, Any]:
    """A histogram, or bars for categories."""
    if one.categories:
        series = [{"name": s.name, "values": list(s.counts)} for s in one.series]
        return {"kind": "categories", "labels": [clean(c) for c in one.categories], "series": series, "y": "long clips"}
    marks = [*_marks(one.thresholds, "threshold"), *_marks(one.references, "reference")]
    low, high = axis(one, [mark["value"] for mark in marks])
    return {
        "kind": "histogram", "unit": one.unit, "edges": list(one.edges), "low": low, "high": high, "y": "number",
        "series": [{"name": s.name, "values": list(s.counts)} for s in one.series],
        "marks": [mark for mark in marks if low <= mark["value"] <= high],
    }  # fmt: skip


def compared_chart(one: Distribution, twin: Distribution, audit: Audit, other: Audit) -> dict[str, Any]:
    """Both corpora in shares. Bins of the other keep their own bounds."""
    names = (f"{audit.name} v{audit.version}", f"{other.name} v{other.version}")
    if one.categories:
        labels = list(dict.fromkeys([*one.categories, *twin.categories]))
        series = []
        for name, found in zip(names, (one, twin), strict=True):
            counts = dict(zip(found.categories, total(found), strict=True))
            series.append({"name": name, "values": [counts.get(c, 0) / max(sum(counts.values()), 1) for c in labels]})
        return {"kind": "categories", "labels": [clean(c) for c in labels], "series": series, "y": "share"}
    lines = []
    for name, found in zip(names, (one, twin), strict=True):
        all_splits = total(found)
        width, whole = found.edges[1] - found.edges[0], max(sum(all_splits), 1)
        density = [n / whole / width for n in all_splits]
        points = [[edge, value] for edge, value in zip(found.edges, [*density, density[-1]], strict=True)]
        lines.append({"name": name, "points": points})
    low, high = min(one.edges[0], twin.edges[0]), max(one.edges[-1], twin.edges[-1])
    return {"kind": "lines", "unit": one.unit, "low": low, "high": high, "y": "density", "series": lines, "marks": []}


def total(one: Distribution) -> list[int]:
    """The counts of all splits together."""
    return [sum(counts) for counts in zip(*(s.counts for s in one.series), strict=True)]


def _marks(marks: Sequence[Mark], kind: str) -> list[dict[str, Any]]:
    return [{"label": mark.label, "value": mark.value, "kind": kind} for mark in marks]


def axis(one: Distribution, values: Sequence[float]) -> tuple[float, float]:
    """The bounds of the axis: those of the bins, grown to hold thresholds that are not too far off."""
    low, high = one.edges[0], one.edges[-1]
    room = (high - low) * _ROOM
    near = [value for value in values if low - room <= value <= high + room]
    return min([low, *near]), max([high, *near])


def beyond(one: Distribution) -> list[Mark]:
    """Thresholds and published figures that are too far off to be drawn."""
    marks = [*one.thresholds, *one.references]
    if not one.edges:
        return []
    low, high = axis(one, [mark.value for mark in marks])
    return [mark for mark in marks if not low <= mark.value <= high]


def bins_table(one: Distribution) -> Table:
    """The numbers of a chart as a table."""
    columns = ("", *(series.name for series in one.series))
    labels = one.categories or [f"{number(a)} to {number(b)}" for a, b in pairwise(one.edges)]
    rows = tuple((label, *(s.counts[n] for s in one.series)) for n, label in enumerate(labels))
    return Table(f"{one.title}: numbers", columns, rows)


def flow_rows(flow: Flow) -> list[tuple[str, str, int, str, bool]]:
    """The flow as a list: (stage, label, number, anchor, whether it was left out), in order."""
    rows: list[tuple[str, str, int, str, bool]] = []
    came_from = {link.target: link.source for link in flow.links}
    for node in flow.nodes:
        rows.append((came_from.get(node.name, ""), node.label, node.count, node.href, node.is_drop))
    return rows
