"""Ids that begin with a dash, like every 64th of YouTube's: the command line takes them as ids."""

import re
from typing import Any

from typer.core import TyperGroup, TyperOption

# A misspelled option must still be an error: small words after two dashes, or one letter after one dash.
_LIKE_AN_OPTION = re.compile(r"--[a-z]+(?:-[a-z]+)*(?:=.*)?|-[A-Za-z]", re.DOTALL)


class CommandsWithIds(TyperGroup):
    """The group of commands. Options may stand before and after an id that begins with a dash."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, rest if command is None else with_ids_last(command, rest)


def with_ids_last(command: Any, args: list[str]) -> list[str]:
    """Return `args` with options first, then `--`, then the rest, if one of the rest begins with a dash."""
    takes_value = {
        name: not (option.is_flag or option.count)
        for option in command.params
        if isinstance(option, TyperOption)
        for name in (*option.opts, *option.secondary_opts)
    }
    takes_value |= {"-h": False, "--help": False, "-vv": False}
    options: list[str] = []
    others: list[str] = []
    has_dash = False
    left = list(args)
    while left:
        arg = left.pop(0)
        if arg == "--":
            others += left
            break
        if arg in takes_value:
            options.append(arg)
            if takes_value[arg] and left:
                options.append(left.pop(0))
        elif arg.partition("=")[0] in takes_value or _LIKE_AN_OPTION.fullmatch(arg):
            options.append(arg)
        else:
            has_dash = has_dash or (arg.startswith("-") and len(arg) > 1)
            others.append(arg)
    return [*options, "--", *others] if has_dash else args
