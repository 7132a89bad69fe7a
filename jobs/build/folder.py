"""`longtake build FOLDER OUTPUT`: the configuration for a folder of videos, made from what is in it."""

import os
import re
from collections import Counter
from collections.abc import Sequence

import yaml
from rich.console import Console

from longtake.jobs.changes import with_changes
from longtake.jobs.terminal import print_line
from longtake.pipeline.find.folder import find_videos, no_videos
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig, load_config, parse_config
from longtake.schemas.errors import ConfigError
from longtake.schemas.settings import SET, changed
from longtake.schemas.wording import plural

_RECOGNISED = ("source.text.format=[auto,asr]", "source.text.model=small")

_HEAD = """\
# A Longtake corpus of a folder of videos, written by `longtake build FOLDER OUTPUT`. `longtake init DIR --full` writes every
# setting with its default; docs/text.md and docs/format.md say what they do. Change it as you like: the next run uses it.
"""


def named_config(
    config: str, output: str | None, changes: Sequence[str], console: Console
) -> tuple[str, CorpusConfig, bool]:
    """Return the path of a configuration, its settings, and whether the path has the changes in it.

    Args:
        config: a configuration; or, with `output`, a folder of videos.
        output: the folder or URI of the corpus. Beside it the configuration is written, unless one is there already.
        changes: as of `--set`.
        console: where to say what was found.

    Raises:
        ConfigError: also for a folder without videos, and for a folder without `output`.
    """
    if output is None:
        if not config.endswith((".yaml", ".yml")) and not storage.is_file(config) and storage.exists(config):
            raise ConfigError(
                f"{config}: a folder. Name its configuration, or the output as well, as in: longtake build {config} out/corpus"
            )
        return config, load_config(config, changes), False
    if storage.is_file(config):
        raise ConfigError(f"{output}: {config} is a file, which names its output itself; give no other output")
    path = f"{output.rstrip('/')}.yaml"
    if storage.exists(path):
        settings = load_config(path, changes)
        if settings.source.folder is None or _place(settings.resolve(settings.source.folder)) != _place(config):
            raise ConfigError(
                f"{path}: the configuration of another corpus. Choose another output, or move that file away."
            )
        tell_folder(config, settings, output, changes, console)
        print_line(console, f"Using {path}, which is there already.")
        return path, settings, False
    raw = changed(
        {"name": _name(output), "output": _name_of(output), "source": {"folder": _seen_from(path, config)}}, changes
    )
    settings = parse_config(raw, SET if changes else path)  # an error in a change comes before anything is written
    tell_folder(config, settings, output, changes, console)
    storage.write_bytes(path, (_HEAD + yaml.safe_dump(raw, sort_keys=False, allow_unicode=True)).encode())
    print_line(console, f"Wrote {path}, the configuration that is used.")
    return path, load_config(path), True


def tell_folder(folder: str, settings: CorpusConfig, output: str, changes: Sequence[str], console: Console) -> None:
    """Print what was found in a folder. Raises ConfigError if there is no video in it, or no text for any and speech is not
    recognised."""
    videos, others = 0, 0
    suffixes: Counter[str] = Counter()
    odd: Counter[str] = Counter()
    for found in find_videos(folder):
        videos += len(found.videos)
        others += found.others
        suffixes += found.suffixes()
        odd.update(row.reason.value for row in found.drops)
    if not videos:
        raise no_videos(folder)
    without = suffixes.pop("", 0)
    by_number = sorted(suffixes.items(), key=lambda one: (-one[1], one[0]))
    texts = ", ".join(f"{suffix} for {n:,}" for suffix, n in by_number) or "none"
    print_line(console, f"Found {plural(videos, 'video')} in {folder}. Transcripts beside them: {texts}.")
    text = settings.source.text
    has_text, command = text.recognises or bool(text.paths), _recognising(folder, output, changes)
    if without and text.recognises:
        print_line(console, f"{plural(without, 'video')} without a transcript: the speech is recognised.")
    elif not has_text and 0 < without < videos:
        problem = f"{plural(without, 'video')} without a transcript: the ledger will say no_text."
        print_line(console, f"{problem} To recognise the speech: {command}", "yellow")
    if odd:
        told = ", ".join(f"{n:,} {reason}" for reason, n in sorted(odd.items()))
        print_line(console, f"Names to look at, with a row each in the ledger: {told}.", "yellow")
    if others:
        print_line(console, f"{plural(others, 'other file')} in it: not used.")
    if without == videos and not has_text:
        raise ConfigError(
            f"{folder}: no video has a transcript beside it, so there is no text. To recognise the speech, which needs "
            f"pip install 'longtake[asr]': {command}"
        )


def _recognising(folder: str, output: str, changes: Sequence[str]) -> str:
    """The command that recognises the speech of the videos without a transcript."""
    return f"longtake build {with_changes(folder, [*changes, *_RECOGNISED], output)}"


def _name_of(output: str) -> str:
    return output.rstrip("/").rsplit("/", 1)[-1]


def _name(output: str) -> str:
    """The name of a corpus in this output: the characters of the last part that a name may have."""
    return re.sub(r"^[^A-Za-z0-9]+", "", re.sub(r"[^A-Za-z0-9._ -]+", "-", _name_of(output))) or "corpus"


def _place(path: str) -> str:
    return path.rstrip("/") if storage.is_remote(path) else os.path.abspath(storage.local_path(path))


def _seen_from(config: str, folder: str) -> str:
    """The path of a folder as the configuration writes it: relative to its own folder if both are on this machine."""
    if storage.is_remote(config) or storage.is_remote(folder):
        return _place(folder)
    return os.path.relpath(_place(folder), os.path.dirname(_place(config)))
