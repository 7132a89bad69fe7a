"""`longtake reshard`: other shard sizes or splits for a finished corpus, without decoding anything."""

from typing import Annotated, Any

import typer

from longtake.jobs import terminal
from longtake.schemas.errors import ConfigError


def reshard(
    context: typer.Context,
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    samples: Annotated[
        int | None, typer.Option(min=1, help="Samples per shard, approximately; by default unchanged.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=SHARE,...", help="New splits, as in train=0.9,val=0.1; by default each video keeps its split."
        ),
    ] = None,
) -> None:
    """Cut a corpus into other shards or splits. Frames are copied, not decoded; order and bytes are as from a build with the new
    settings.

    An interruption leaves the corpus whole; run it again.
    """
    shares = parse_split(split) if split is not None else {}
    from longtake.jobs.lock import check_there, locked
    from longtake.jobs.versions.revise import Revision, finished, next_change, next_manifest, print_change, replace

    console = terminal.console()
    check_there(corpus)
    with locked(corpus):
        old = finished(corpus)
        settings = old.manifest.config
        size = samples or settings["shards"]["samples"]
        change = next_change(
            old,
            samples=size,
            shares=tuple(sorted(shares.items())),
            by_quota=settings.get("split_by") == "quota",
        )
        done: dict[str, Any] = {"samples": size} | ({"split": shares} if shares else {})
        config = settings | {"shards": {"samples": size}} | ({"split": shares} if shares else {})
        changes = {"config": config} if config != settings else {}
        revision = Revision(change, (old,), next_manifest(old, "reshard", done, **changes))
        made = replace(revision, context.obj, console)
    if made is None:
        console.print(f"{corpus} already has these shards and splits: nothing to do.", markup=False, highlight=False)
    else:
        print_change(f"{made.name}: resharded", old.manifest, made, corpus, console)


def parse_split(text: str) -> dict[str, float]:
    """Parse the shares of `NAME=SHARE,...`. Raises ConfigError."""
    from pydantic import ValidationError

    from longtake.schemas.config import CorpusConfig

    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition("=")
        if name in shares:
            raise ConfigError(f"--split {text}: {name} is given twice")
        try:
            shares[name] = float(share)
        except ValueError:
            raise ConfigError(f"--split {text}: write it as in train=0.9,val=0.1") from None
    try:
        return CorpusConfig.model_validate(
            {"name": "x", "output": "x", "source": {"videos": "x"}, "split": shares}
        ).split
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"--split {text}: {said}") from None
