"""`longtake curate`: a new version of a corpus that holds only what a policy keeps."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from longtake.jobs import terminal
from longtake.schemas import scratch
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.policy import PolicyFile, read_policy
from longtake.schemas.printable import printable
from longtake.schemas.wording import plural

if TYPE_CHECKING:
    from longtake.pipeline.audit.policy_choice import Choice


def curate(
    context: typer.Context,
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The folder or URI of a finished corpus.")],
    policy: Annotated[
        str, typer.Option("--policy", metavar="FILE", help="The policy, as for longtake audit --policy.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be dropped.")] = False,
) -> None:
    """Drop the samples that a policy does not allow, and make what it keeps the next version. Nothing is decoded.

    The ledger has each dropped sample with reason rejected, the policy and its rule. Checks, review and agreement of the policy
    drop nothing: longtake audit --policy judges them.
    """
    from longtake.jobs.lock import check_there, locked
    from longtake.jobs.versions.revise import Revision, finished, next_change, next_manifest, print_change, replace
    from longtake.pipeline.revise.rejection import Rejection
    from longtake.pipeline.revise.select import known_samples
    from longtake.schemas.reasons import Stage

    console, file = terminal.console(), read_policy(policy)
    check_there(corpus)
    with locked(corpus):
        old = finished(corpus)
        choice = _choice(old.layout, file)
        _print_rules(choice, file, console)
        _check(choice, corpus, policy)
        if not choice.reason:
            console.print("The policy keeps every sample: nothing to do.", highlight=False)
            return
        if dry_run:
            console.print("Nothing was changed. To make the new version, leave --dry-run out.", highlight=False)
            return
        samples = known_samples(old.layout, frozenset(choice.reason))
        why = {key: (Stage.TAKEDOWN, f"policy {file.title}: {choice.reason[key]}") for key in samples.here}
        rejection = Rejection.of(why, samples.planned)
        change = next_change(old, keep_places=True, rejection=rejection)
        done = {
            "policy": file.policy.name,
            "policy_sha256": file.sha256,
            "samples": len(why),
            "rules": _by_rule(choice),
        }
        made = replace(
            Revision(change, (old,), next_manifest(old, "curate", done)), context.obj, console, even_same=True
        )
    if made is not None:
        print_change(
            f"{made.name}: {plural(len(why), 'sample')} dropped by policy {file.title}",
            old.manifest,
            made,
            corpus,
            console,
        )


def _choice(layout: Layout, file: PolicyFile) -> "Choice":
    from longtake.pipeline.audit.database import Database
    from longtake.pipeline.audit.policy_choice import choose

    database = Database(layout, None, scratch.folder())
    try:
        return choose(database, file)
    finally:
        database.close()


def _check(choice: "Choice", corpus: str, policy: str) -> None:
    """Raise CorpusError if the policy cannot choose."""
    if lacking := [rule for rule in choice.rules if rule.lacks]:
        told = "\n".join(f"  {rule.name}: {plural(rule.lacks, 'sample')} without a value" for rule in lacking)
        raise CorpusError(
            f"{corpus} was not changed: samples have no value for a threshold. Say in {policy} what becomes of them "
            f"(missing: drop or keep), or compute the scores.\n{told}"
        )
    if not choice.kept.any():
        raise CorpusError(f"{corpus} was not changed: the policy would keep none of its {len(choice.keys):,} samples")


def _by_rule(choice: "Choice") -> dict[str, int]:
    """How many samples each rule drops. Each sample counts for the first rule that it breaks."""
    return dict(sorted(Counter(reason.partition(" ")[0] for reason in choice.reason.values()).items()))


def _print_rules(choice: "Choice", file: PolicyFile, console: Console) -> None:
    table = Table(title=f"Policy {file.title}", title_justify="left")
    for heading in ("rule", "asks"):
        table.add_column(heading, overflow="fold")
    for heading in ("samples beyond it", "dropped for it first"):
        table.add_column(heading, justify="right")
    first: dict[str, Any] = _by_rule(choice)
    for rule in choice.rules:
        number = int(rule.breaks.sum())
        cells = (Text(printable(rule.name)), Text(printable(rule.limit)), f"{number:,}", f"{first.get(rule.name, 0):,}")
        table.add_row(*cells)
    console.print(table)
    hours = float(choice.hours[choice.kept].sum())
    kept = f"{int(choice.kept.sum()):,} of {plural(len(choice.keys), 'sample')}, {hours:,.2f} of {choice.hours.sum():,.2f} hours"
    console.print(f"It keeps {kept}.", highlight=False)
