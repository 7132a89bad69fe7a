"""`longtake takedown`: remove videos from a finished corpus for good."""

from typing import Annotated

import typer
from rich.console import Console

from longtake.pipeline.printable import printable
from longtake.schemas import storage
from longtake.schemas.manifest import CorpusError
from longtake.schemas.settings import ConfigError

_SHOWN = 10


def takedown(
    context: typer.Context,
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    videos: Annotated[
        str, typer.Option("--videos", metavar="FILE", help="Ids of videos, one per line; -: from stdin.")
    ],
    note: Annotated[str, typer.Option("--note", help="Why; goes into the ledger and corpus.json.")] = "",
    ignore_unknown: Annotated[
        bool, typer.Option("--ignore-unknown", help="Pass over ids of which the corpus knows nothing.")
    ] = False,
) -> None:
    """Remove videos for good: their frames and text from shards, index, plan, embeddings and staging.

    The ledger keeps their ids, with reason taken_down and the note, and none of their text. Shards that hold nothing of them are
    not touched. Interrupted, it leaves the corpus whole; run it again.
    """
    from longtake.jobs.job import locked, plural
    from longtake.jobs.revise import check_there, finished, next_manifest, print_change, replace
    from longtake.pipeline.revise.change import Change
    from longtake.pipeline.revise.install import next_version
    from longtake.pipeline.revise.select import known_videos

    console, ids = Console(), read_ids(videos)
    note = _checked_note(note)
    check_there(corpus)
    with locked(corpus):
        old = finished(corpus)
        known = known_videos(old.layout, ids)
        if (unknown := sorted(ids - known.here)) and not ignore_unknown:
            named = "\n  ".join(printable(name) for name in unknown[:_SHOWN])
            more = f"\n  ... and {len(unknown) - _SHOWN:,} more" if len(unknown) > _SHOWN else ""
            raise CorpusError(
                f"{corpus} knows nothing of {plural(len(unknown), 'video')}; nothing was changed. "
                f"--ignore-unknown passes over them.\n  {named}{more}"
            )
        chosen = known.here - known.taken_down
        if unknown:
            console.print(f"Unknown, passed over: {plural(len(unknown), 'video')}.", highlight=False)
        if not chosen:
            console.print(
                f"{plural(len(known.taken_down), 'video')} taken down already: nothing to do.", highlight=False
            )
            return
        settings = old.manifest.config
        change = Change(
            (old.layout,),
            next_version(old.layout),
            settings["seed"],
            settings["shards"]["samples"],
            keep_places=True,
            taken_down=chosen,
            note=note,
        )
        done = {"videos": len(chosen)} | ({"note": note} if note else {})
        made = replace(old, change, next_manifest(old, "takedown", done), context.obj, console, even_same=True)
    if made is not None:
        print_change(f"{made.name}: {plural(len(chosen), 'video')} taken down", old.manifest, made, corpus, console)
    console.print(
        "Nothing of them is left in the corpus. Copies of it, and the sources, are yours to see to.", highlight=False
    )


def read_ids(path: str) -> frozenset[str]:
    """The ids in a file, one per line; empty lines are passed over. Raises ConfigError where there is none."""
    import sys

    try:
        data = sys.stdin.buffer.read() if path == "-" else storage.read_bytes(path)
        lines = data.decode("utf-8-sig").split("\n")
    except FileNotFoundError:
        raise ConfigError(f"--videos {path}: no such file. It holds the ids of videos, one per line.") from None
    except IsADirectoryError:
        raise ConfigError(f"--videos {path}: a folder, not a file with the ids of videos") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"--videos {path}: not UTF-8 text: {error}") from None
    ids = frozenset(line.strip() for line in lines) - {""}
    if not ids:
        raise ConfigError(f"--videos {path}: no id in it; write one per line")
    return ids


def _checked_note(note: str) -> str:
    if len(note) > 1000 or not note.isprintable():
        raise ConfigError("--note: at most 1,000 characters, on one line")
    return note
