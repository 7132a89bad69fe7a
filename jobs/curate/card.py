"""`longtake card`: write the card of a corpus again, with the answers of its data sheet."""

import os
import shlex
import subprocess
import sys
from typing import Annotated

import typer

from longtake.jobs import terminal
from longtake.schemas import storage
from longtake.schemas.datasheet import QUESTIONS, datasheet_path, read_datasheet, template
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import finished_manifest
from longtake.schemas.wording import plural


def card(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    edit: Annotated[
        bool,
        typer.Option("--edit", help="First open CORPUS/datasheet.yaml in $VISUAL or $EDITOR; make it if it is not there."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document (docs/commands.md).")] = False,
) -> None:  # fmt: skip
    """Write README.md and croissant.json again: facts of the corpus, its last audit, its sign-off, and what people answer.

    datasheet.yaml beside the corpus has the questions that only people can answer. New versions keep it.
    """
    from longtake.jobs.lock import check_there, locked
    from longtake.pipeline.publish.audited import write_card

    console = terminal.console(is_answer=True, stderr=as_json)
    check_there(corpus)
    layout = Layout(corpus.rstrip("/") or corpus)
    path = datasheet_path(layout)
    with locked(corpus):
        manifest = finished_manifest(layout)
        if edit:
            _edit(path)
        answers = read_datasheet(layout)
        write_card(layout, manifest)
    unanswered = [question.name for question in answers.unanswered]
    if as_json:
        given = {question.name: answers.answer(question) for question in QUESTIONS if question.name not in unanswered}
        terminal.print_json({"corpus": layout.root, "card": layout.card, "answers": given, "unanswered": unanswered})
        return
    terminal.print_line(console, f"Card: {layout.card}")
    if unanswered:
        terminal.print_line(console, f"{plural(len(unanswered), 'question')} unanswered: {', '.join(unanswered)}")
        terminal.print_line(console, f"Answer them in {path}" + ("" if edit else ", or with --edit"))
    else:
        terminal.print_line(console, "Every question is answered.")


def _edit(path: str) -> None:
    """Make the file if it is not there, and open it in an editor if there is a terminal. Raises ConfigError."""
    if not storage.exists(path):
        storage.write_bytes(path, template().encode())
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    if storage.is_remote(path) or not editor or not sys.stdin.isatty():
        return  # the file is there to be edited, and the answer names it
    try:
        done = subprocess.run([*shlex.split(editor), storage.local_path(path)], check=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"$EDITOR {editor}: cannot be run: {error}. Edit {path} yourself.") from None
    if done.returncode:
        raise ConfigError(f"$EDITOR {editor} ended with {done.returncode}; nothing was written to the card")
