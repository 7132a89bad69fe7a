"""The commands of `longtake`, in the order of work. Each is imported when it is used: listing them imports none."""

from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from longtake.jobs.command_examples import epilog
from longtake.jobs.dashed_ids import CommandsWithIds
from longtake.jobs.terminal import loudness_options
from longtake.schemas.extras import check_extras

#: The purpose of each command in one line, by kind of work.
GROUPS = {
    "Start": {
        "init": "Write a configuration to start from.",
    },
    "Build": {
        "fetch": "Fetch videos and captions from a list of URLs.",
        "plan": "Decide what the corpus will be and what it costs.",
        "diff": "Show what changed between two plans.",
        "doctor": "Check that a job would run where its options say.",
        "build": "Build the corpus, planning first where needed.",
        "status": "Show how far a job is, from its files.",
        "retry": "Try failed videos again.",
        "clean": "Delete the staging files of a finished corpus.",
    },
    "Look": {
        "verify": "Check that all parts of a corpus agree.",
        "show": "List samples, or show one with its frames.",
        "search": "Find a name, a channel or a phrase in corpora.",
        "explain": "Show what became of one video, step by step.",
        "audit": "Write a report on a corpus.",
        "map": "Place samples on a plane, and find topics.",
        "browse": "Search, play and decide on samples in a browser.",
        "queues": "Deal out samples to curators, and show how far they are.",
        "curators": "Give curators tokens for a shared server, and revoke them.",
        "decisions": "Show and merge the decisions of curators.",
    },
    "New versions": {
        "curate": "Keep what a policy allows, as a new version.",
        "takedown": "Remove videos or samples for good.",
        "removals": "List removal requests, and prove that they are done.",
        "merge": "Join finished corpora into a new one.",
        "reshard": "Cut a corpus into other shards or splits.",
    },
    "Publish": {
        "card": "Write the card again; ask what only people know.",
        "attest": "Sign a corpus off, or check who did.",
        "publish": "Put a corpus on the Hugging Face hub or in a bucket.",
    },
    "Model": {
        "train": "Train LF-VILA on a corpus.",
        "evaluate": "Measure retrieval and alignment of a model.",
        "embed": "Write vectors of videos and texts.",
    },
}
_PANELS = {name: (panel, summary) for panel, commands in GROUPS.items() for name, summary in commands.items()}
_ROOMS = {
    "build": ("fetch", "plan", "doctor", "build", "status", "clean"),
    "curate": (
        "verify",
        "show",
        "audit",
        "map",
        "browse",
        "queues",
        "curators",
        "decisions",
        "card",
        "attest",
        "search",
    ),
    "explain": ("explain",),
    "versions": ("diff", "retry", "curate", "takedown", "removals", "merge", "reshard"),
    "retrieve": ("evaluate", "embed"),
}
_MODULES = {name: f"{room}.{name}" for room, names in _ROOMS.items() for name in names}
_MODULES |= dict.fromkeys(("plan", "build", "clean"), "build.commands")
#: The extras that a command needs for all that it does. Others say so where an option needs one.
NEEDS = {
    "fetch": ("fetch",),
    "plan": ("build",),
    "diff": ("build",),
    "build": ("build",),
    "status": ("build",),
    "clean": ("build",),
    "doctor": ("build",),
    "explain": ("build",),
    "retry": ("build",),
    "curate": ("audit",),
    "takedown": ("build",),
    "removals": ("build",),
    "card": ("build",),
    "attest": ("build",),
    "merge": ("build",),
    "reshard": ("build",),
    "audit": ("audit",),
    "map": ("audit",),
    "browse": ("audit",),
    "queues": ("audit",),
    "train": ("train",),
    "evaluate": ("train",),
    "embed": ("build", "train"),
}


class Commands(CommandsWithIds):
    """The group of all commands."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params += loudness_options()

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_PANELS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _made(cmd_name) if cmd_name in _PANELS else None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands from the lines above alone."""
        listed = {
            name: TyperCommand(name, short_help=summary, help=summary, rich_help_panel=panel)
            for name, (panel, summary) in _PANELS.items()
        }
        listing = TyperGroup(
            name=self.name,
            params=self.params,
            help=self.help,
            rich_markup_mode=self.rich_markup_mode,
            commands=listed,  # type: ignore[arg-type]
        )
        listing.format_help(ctx, formatter)


@cache
def _made(name: str) -> Any:
    """Make the command `name` from the function of that name."""
    module = import_module(f"longtake.jobs.{_MODULES.get(name, name)}")
    panel, summary = _PANELS[name]
    only = typer.Typer(add_completion=False)
    function = _after_extras(name, getattr(module, name))
    only.command(name, epilog=epilog(name), short_help=summary, rich_help_panel=panel)(function)
    made = typer.main.get_command(only)
    made.params += loudness_options()
    return made


def _after_extras(name: str, function: Callable[..., None]) -> Callable[..., None]:
    """Return a function that first checks that the extras of the command are installed."""

    @wraps(function)
    def checked(*arguments: Any, **options: Any) -> None:
        check_extras(f"longtake {name}", *NEEDS.get(name, ()))
        function(*arguments, **options)

    return checked
