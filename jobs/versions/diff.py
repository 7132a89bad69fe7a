"""`longtake diff`: what changed from one plan to another, and what it costs."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from longtake.jobs import terminal

if TYPE_CHECKING:
    from longtake.pipeline.plan.diff import PlanDiff

_UNKNOWN = "unknown"
_EXPLAINED = {
    "other text": "same key, other text",
    "other split": "same key, other split",
    "other shard": "same key, other shard",
    "other source": "same key, other uri, url, license or meta",
}


def diff(
    plan_a: Annotated[str, typer.Argument(metavar="PLAN_A", help="A corpus, or a folder with the parts of a plan.")],
    plan_b: Annotated[str, typer.Argument(metavar="PLAN_B", help="The corpus or plan to compare it with.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show what changed between two plans, and what it costs: settings, hours, frames, drops, long clips, shards."""
    from longtake.pipeline.plan.diff import diff_plans

    found = diff_plans(plan_a, plan_b)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        print_diff(found, plan_a, plan_b, terminal.console(is_answer=True))


def print_diff(found: "PlanDiff", plan_a: str, plan_b: str, console: Console) -> None:
    """Print the differences as tables. The verdict comes last, where a terminal stops."""
    _line(console, f"A: {plan_a}")
    _line(console, f"B: {plan_b}")
    if found.settings:
        console.print(_pairs("Settings that differ", found.settings, ("", "A", "B"), numbers=False))
    console.print(_pairs("Figures", found.figures, ("", "A", "B", "difference", "%")))
    if found.drops:
        console.print(_pairs("Dropped, by subject, stage and reason", found.drops, ("", "A", "B", "difference", "%")))
    clips = _table("Long clips", ("", "number"))
    for name, number in found.clips.items():
        clips.add_row(_EXPLAINED.get(name, name), f"{number:,}")
    console.print(clips)
    if found.shards:
        shards = _table("Shards", tuple(found.shards))
        shards.add_row(*(f"{number:,}" for number in found.shards.values()))
        console.print(shards)
    for name, examples in found.examples.items():
        more = found.clips[name] - len(examples)
        _line(console, f"{_EXPLAINED.get(name, name)}{f' (the first {len(examples)})' if more else ''}:", "bold")
        for example in examples:
            _line(console, f"  {example}")
    for note in found.notes:
        _line(console, note, "yellow")
    _line(console, found.verdict, "bold")


def _pairs(title: str, pairs: dict[str, tuple[Any, Any]], headings: tuple[str, ...], numbers: bool = True) -> Table:
    table = _table(title, headings, "right" if numbers else "left")
    for name, (a, b) in pairs.items():
        known = numbers and a is not None and b is not None
        change = (_signed(b - a), _percent(a, b)) if known else (_UNKNOWN, "")
        table.add_row(name, _value(a), _value(b), *(change if numbers else ()))
    return table


def _table(title: str, headings: tuple[str, ...], justify: Any = "right") -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify=justify if heading else "left")
    return table


def _value(value: Any) -> str:
    if value is None:
        return _UNKNOWN
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _signed(value: float) -> str:
    if not value:
        return "0"
    return f"{value:+,}" if isinstance(value, int) else f"{value:+,.2f}"


def _percent(a: float, b: float) -> str:
    return "" if a == b else f"{100 * (b - a) / a:+.1f}" if a else "new"


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
