"""`longtake removals`: the requests to remove something from a corpus, and the proof that it is gone."""

from dataclasses import asdict
from datetime import date
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from longtake.jobs import terminal
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import finished_manifest
from longtake.schemas.printable import printable
from longtake.schemas.removals import Removal, read_removals
from longtake.schemas.wording import plural

_SHOWN = 20


def removals(
    corpora: Annotated[
        list[str],
        typer.Argument(metavar="CORPUS...", help="The corpus with the records, then other versions and copies to look in."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document (docs/commands.md).")] = False,
) -> None:  # fmt: skip
    """List the removal requests of the first corpus, and look for what they removed in all of these, by id and by hash.

    Exit code 1 if something is still there, if a request is not done, or if known copies stayed.
    """
    from longtake.pipeline.revise.removal_proof import still_there

    layouts = [Layout(corpus.rstrip("/") or corpus) for corpus in corpora]
    for layout in layouts:
        finished_manifest(layout)
    records = read_removals(layouts[0])
    found = [{layout.root: still_there(layout, record) for layout in layouts} for record in records]
    proved = [_is_proved(record, places) for record, places in zip(records, found, strict=True)]
    if as_json:
        told = [
            asdict(record) | {"days": _days(record), "still_there": places, "proved": good}
            for record, places, good in zip(records, found, proved, strict=True)
        ]
        terminal.print_json({"corpora": [layout.root for layout in layouts], "removals": told})
    else:
        _print(records, found, proved, len(layouts))
    if not all(proved):
        raise typer.Exit(1)


def _is_proved(record: Removal, places: dict[str, list[str]]) -> bool:
    copies_stay = not record.copies_removed and (record.copies_by_frames or record.copies_by_text)
    return bool(record.done) and not copies_stay and not any(places.values())


def _days(record: Removal) -> int | None:
    """How long a request took; None if that is not known."""
    if not record.received or not record.done:
        return None
    return (date.fromisoformat(record.done[:10]) - date.fromisoformat(record.received)).days


def _print(records: list[Removal], found: list[dict[str, list[str]]], proved: list[bool], places: int) -> None:
    console = terminal.console(is_answer=True)
    if not records:
        terminal.print_line(console, "No removal is recorded here. longtake takedown --request REF keeps a record.")
        return
    table = Table(title="Removal requests", title_justify="left")
    for heading in ("request", "received", "done", "removed", "known copies", "versions", "proof"):
        table.add_column(heading, overflow="fold")
    for record, where, good in zip(records, found, proved, strict=True):
        days = _days(record)
        done = (record.done or "not done") + ("" if days is None else f" ({plural(days, 'day')})")
        removed = f"{plural(len(record.videos), 'video')}, {plural(len(record.samples), 'sample')}"
        cells = (record.request, record.received or "-", done, removed, _copies(record), _versions(record))
        proof = "gone" if good else "not proved"
        table.add_row(*(Text(printable(cell)) for cell in cells), Text(proof, "green" if good else "bold red"))
        for root, there in where.items():
            for one in there[:_SHOWN]:
                terminal.print_line(console, f"{record.request}: still in {root}: {one}")
            if there[_SHOWN:]:
                terminal.print_line(console, f"{record.request}: and {len(there) - _SHOWN:,} more in {root}")
    console.print(table)
    looked = "this corpus" if places == 1 else f"{places:,} corpora"
    terminal.print_line(console, f"Looked in index and plan of {looked}, by id and by hash of the files.")


def _copies(record: Removal) -> str:
    named = ((len(record.copies_by_frames), "video by frames"), (len(record.copies_by_text), "sample by text"))
    told = ", ".join(f"{number:,} {noun}" for number, noun in named if number)
    return f"{told}: {'removed' if record.copies_removed else 'they stay'}" if told else "none known"


def _versions(record: Removal) -> str:
    before, after = record.before.get("version", "?"), record.after.get("version", "?")
    return f"{before} to {after}; {plural(len(record.shards_gone), 'shard')} replaced"
