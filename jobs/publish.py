"""`longtake publish`: put a finished corpus where others find it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from longtake.jobs import terminal
from longtake.jobs.terminal import print_line
from longtake.schemas import storage
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, finished_manifest
from longtake.schemas.printable import printable
from longtake.schemas.wording import human_bytes, plural

if TYPE_CHECKING:
    from longtake.pipeline.publish.hub import HubDataset
    from longtake.pipeline.publish.public_files import PublicFacts, PublicFile

_SHOWN = 5


def publish(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    destination: Annotated[
        str,
        typer.Argument(metavar="DEST", help="hf://datasets/OWNER/NAME[@BRANCH], gs://..., s3://..., or a folder."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Publish. Without it, only say what would become public.")] = False,
    accept_licences: Annotated[
        bool,
        typer.Option(
            "--accept-licences",
            help="Publish although licences restrict use or are unknown, or the card names no contact.",
        ),
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository on the hub private; an old one stays as it is.")
    ] = False,
) -> None:
    """Publish a corpus: say what becomes public, then, with --yes, check it, send it, and compare what arrived by hash.

    After an interruption, run it again. Staging files, audit, decisions and earlier versions are never published; at the
    destination, files of an earlier version are deleted.
    """
    from longtake.jobs.lock import check_there, locked
    from longtake.pipeline.publish.public_files import objections, public_facts, public_files

    console = terminal.console(is_answer=True)
    place = _place(corpus, destination, private)
    check_there(corpus)
    with locked(corpus):
        layout = Layout(corpus.rstrip("/") or corpus)
        manifest = finished_manifest(layout)
        files, facts = public_files(layout, manifest), public_facts(layout, manifest)
        stale = _stale(place, manifest, files)
        _print_files(files, console)
        _print_facts(manifest, facts, place, stale, console)
        against = objections(facts, manifest.publication.contact)
        for line in against:
            print_line(console, f"Think twice: {line}", "yellow")
        if waiting := _waiting(layout, facts):
            print_line(console, f"Not yet: {waiting}", "yellow")
        if not yes:
            allowed = "" if accept_licences or not against else " --accept-licences"
            print_line(console, f"Nothing was published. To publish, add: --yes{allowed}")
            return
        if waiting:
            raise CorpusError(f"{corpus} was not published: {waiting}")
        if against and not accept_licences:
            raise CorpusError(
                f"{corpus} was not published: {'; '.join(against)}. If you may publish it as it is, add: --accept-licences"
            )
        _check(corpus)
        sent = _send(place, manifest, files, private)
    print_line(
        console, f"{manifest.name}: {plural(sent, 'file')} sent, {len(files) - sent:,} there already; all hashes agree"
    )
    print_line(console, f"Published: {_uri(place)}   Check it with: longtake verify {_uri(place)}", "bold")


@dataclass(frozen=True)
class _Place:
    """The destination: a dataset of the hub, or else a folder."""

    hub: "HubDataset | None"
    folder: Layout


def _place(corpus: str, destination: str, private: bool) -> _Place:
    if storage.scheme(destination) == "hf":
        from longtake.pipeline.publish.hub import hub_dataset

        return _Place(hub_dataset(destination), Layout(destination))
    if private:
        raise ConfigError("--private is for hf://datasets/...; who may read a bucket or folder is set there")
    target = destination.rstrip("/") or destination
    mine, theirs = (place if storage.is_remote(place) else _real(place) for place in (corpus.rstrip("/"), target))
    if mine == theirs or theirs.startswith(f"{mine}/") or mine.startswith(f"{theirs}/"):
        raise ConfigError(f"publish: {destination} and {corpus} are the same place, or one lies in the other")
    return _Place(None, Layout(target))


def _real(path: str) -> str:
    return os.path.realpath(storage.local_path(path))


def _uri(place: _Place) -> str:
    return place.hub.uri if place.hub else place.folder.root


def _stale(place: _Place, manifest: CorpusManifest, files: "Sequence[PublicFile]") -> list[str]:
    """Return the files at the destination that a publication deletes. Raises CorpusError if another corpus lies there."""
    from longtake.pipeline.publish import hub, transfer

    if place.hub:
        there = hub.published_files(place.hub)
        hub.check_repository(manifest, place.hub, there)
        return hub.stale_paths(files, there)
    transfer.check_destination(manifest, place.folder)
    return transfer.stale_files(files, place.folder)


def _waiting(layout: Layout, facts: "PublicFacts") -> str:
    """Return what to do about rejects that are not applied yet; "" if there are none."""
    if not facts.rejected:
        return ""
    return (
        f"{printable(', '.join(facts.rejected[:_SHOWN]))}{', ...' if len(facts.rejected) > _SHOWN else ''}: rejected in "
        f"{layout.decisions}, and still in the corpus. Apply it first: longtake takedown {layout.root} --decisions "
        f"{layout.decisions}; or withdraw the rejects"
    )


def _check(corpus: str) -> None:
    from longtake.pipeline.verify import verify

    report = verify(corpus)
    if report.number:
        raise CorpusError(
            f"{corpus} was not published: it does not verify: {printable(str(report.faults[0]))}"
            f"{f' and {report.number - 1:,} more faults' if report.number > 1 else ''}. See: longtake verify {corpus}"
        )


def _send(place: _Place, manifest: CorpusManifest, files: "Sequence[PublicFile]", private: bool) -> int:
    """Send the files, with a progress bar. Return how many were not there already."""
    from longtake.pipeline.publish import hub, transfer

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    errors = terminal.console(stderr=True)
    sent = 0
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("publishing", total=len(files))

        def progress(file: "PublicFile", done: str) -> None:
            nonlocal sent
            sent += done == "sent"
            bar.update(task, advance=1, description=f"{done}: {file.path}")

        if place.hub:
            hub.publish(files, manifest, place.hub, private, progress)
        else:
            transfer.transfer(files, place.folder, progress)
    return sent


def _print_files(files: "Sequence[PublicFile]", console: Console) -> None:
    table = Table(title="What becomes public", title_justify="left")
    table.add_column("")
    for heading in ("files", "size"):
        table.add_column(heading, justify="right")
    kinds: dict[str, list[PublicFile]] = {}
    for file in files:
        kinds.setdefault(f"{file.folder}/" if file.folder else file.path, []).append(file)
    for name, found in kinds.items():
        table.add_row(name, f"{len(found):,}", human_bytes(sum(file.size for file in found)))
    table.add_row("all", f"{len(files):,}", human_bytes(sum(file.size for file in files)))
    console.print(table)


def _print_facts(
    manifest: CorpusManifest, facts: "PublicFacts", place: _Place, stale: Sequence[str], console: Console
) -> None:
    splits = manifest.splits().items()
    sizes = ", ".join(
        f"{name}: {plural(split['samples'], 'sample')} with {plural(split['frames'], 'frame')}"
        for name, split in splits
    )
    print_line(console, f"{manifest.name}, version {manifest.version}, to {_uri(place)}")
    print_line(
        console, f"Frames and texts of {plural(facts.videos, 'video')} ({sizes}), their ids, addresses and metadata."
    )
    for text, number in facts.licences:
        print_line(console, f"Licence {text or 'not stated'}: {plural(number, 'sample')}")
    if facts.addresses:
        print_line(
            console,
            f"Column uri of plan and index shows where source videos lay: {facts.addresses[0]}"
            f"{f' and {len(facts.addresses) - 1:,} more' if facts.addresses[1:] else ''}. Relative paths do not show that.",
            "yellow",
        )
    if facts.withdrawn:
        print_line(
            console,
            f"The ledger keeps the ids of {facts.withdrawn:,} videos and samples taken down or rejected, "
            f"{facts.notes:,} with a note. Their frames and texts are not published.",
        )
    if stale:
        some = ", ".join(stale[:_SHOWN]) + (", ..." if stale[_SHOWN:] else "")
        print_line(
            console, f"Deleted at the destination, as not part of this version: {plural(len(stale), 'file')}: {some}"
        )
    if place.hub and any(entry["command"] == "takedown" for entry in manifest.history):
        print_line(
            console, "A takedown is in its history: the commits before, and their files, are deleted on the hub too."
        )
