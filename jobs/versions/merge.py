"""`longtake merge`: one corpus from several finished ones."""

from typing import Annotated, Any

import typer

from longtake.jobs import terminal
from longtake.schemas import storage
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest
from longtake.schemas.publication import Publication


def merge(
    context: typer.Context,
    corpora: Annotated[list[str], typer.Argument(metavar="CORPUS...", help="Two or more finished corpora.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="DIR", help="Where the new corpus goes.")],
    name: Annotated[str | None, typer.Option(help="Its name; by default the names of the corpora, joined.")] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Samples per shard; by default as in the first corpus.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Decides the order of samples; by default as in the first corpus.")
    ] = None,
) -> None:
    """Join finished corpora into a new one; they stay unchanged. Frames are copied, not decoded.

    A video in several corpora comes from the first with samples of it; the ledger names the others. Videos and samples that
    were taken down or rejected in one corpus are dropped. Each video keeps its split. After an interruption, run it again.
    """
    from longtake.jobs.lock import locked
    from longtake.jobs.versions.revise import Revision, finished, make, print_change
    from longtake.pipeline.revise.change import VersionChange

    console, target = terminal.console(), Layout(output.rstrip("/") or output)
    _check_places(corpora, target)
    origins = [finished(corpus) for corpus in corpora]
    first = origins[0].manifest
    for origin in origins[1:]:
        _check_frames(corpora[0], first, origin.layout.root, origin.manifest)
    size = samples or first.config["shards"]["samples"]
    order = first.config["seed"] if seed is None else seed
    manifest = merged_manifest([origin.manifest for origin in origins], name, size, order)
    change = VersionChange(
        tuple(origin.layout for origin in origins), target, order, size, tuple(_names(manifest.history[0]["of"]))
    )
    with locked(target.root):
        made = make(Revision(change, tuple(origins), manifest), context.obj, console)
    rows = [
        (f"samples of {name}", f"{o.manifest.counts['clips'].kept:,}")
        for name, o in zip(change.names, origins, strict=True)
    ]
    lost = sum(o.manifest.counts["clips"].kept for o in origins) - made.counts["clips"].kept
    rows.append(("samples dropped, of videos in several or taken down", f"{lost:,}"))
    print_change(f"{made.name}: merged from {len(origins)} corpora", None, made, target.root, console, rows)


def _check_places(corpora: list[str], target: Layout) -> None:
    if len(corpora) < 2:
        raise ConfigError("merge: name two or more corpora")
    places = [corpus.rstrip("/") for corpus in corpora]
    if twice := sorted({place for place in places if places.count(place) > 1}):
        raise ConfigError(f"merge: {twice[0]} is given twice; name each corpus once")
    if target.root in places:
        raise ConfigError(f"merge: --output {target.root} is one of the corpora; choose another output")
    if storage.exists(target.manifest):
        raise CorpusError(f"{target.root} holds a finished corpus. Choose another output.")


def _check_frames(first: str, one: CorpusManifest, second: str, other: CorpusManifest) -> None:
    mine, theirs = one.config["frames"], other.config["frames"]
    names = sorted(name for name in mine | theirs if mine.get(name) != theirs.get(name))
    if names:
        what = "; ".join(f"frames.{name}: {mine.get(name)} and {theirs.get(name)}" for name in names)
        raise CorpusError(f"{first} and {second} differ in the settings of frames and cannot be merged: {what}")


def merged_manifest(origins: list[CorpusManifest], name: str | None, samples: int, seed: int) -> CorpusManifest:
    """Make corpus.json of the merged corpus, except counts and shards. Its config has the settings that all agree on; its
    history has the settings of each."""
    from longtake.jobs.versions.revise import derived_fingerprint

    name = name or " and ".join(origin.name for origin in origins)
    config = {
        key: value
        for key, value in origins[0].config.items()
        if all(origin.config.get(key) == value for origin in origins)
    }
    config |= {"name": name, "seed": seed, "shards": {"samples": samples}}
    versions: dict[str, str] = {}
    for key in sorted({key for origin in origins for key in origin.versions}):
        versions[key] = ", ".join(sorted({o.versions[key] for o in origins if key in o.versions}))
    of = [
        {
            "name": o.name,
            "version": o.version,
            "fingerprint": o.fingerprint,
            "config": o.config,
            "versions": o.versions,
            "history": list(o.history),
        }
        | ({"decisions": o.decisions} if o.decisions else {})
        for o in origins
    ]
    entry: dict[str, Any] = {"version": 1, "command": "merge", "of": of}
    return origins[0].model_copy(
        update={
            "name": name,
            "versions": versions,
            "config": config,
            "fingerprint": derived_fingerprint(origins, {"config": config}),
            "version": 1,
            "history": (entry,),
            "publication": _agreed([origin.publication for origin in origins]),
        }
    )


def _agreed(publications: list[Publication]) -> Publication:
    """Return what all say."""
    first, *others = publications
    return first if all(other == first for other in others) else Publication()


def _names(of: list[dict[str, Any]]) -> list[str]:
    """Return a name for each corpus, numbered if several have the same."""
    names = [str(entry["name"]) for entry in of]
    return [f"{name} ({i})" if names.count(name) > 1 else name for i, name in enumerate(names, 1)]
