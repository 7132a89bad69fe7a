"""Seal: check that the counts balance, then write card, Croissant metadata and corpus.json. Nothing is published before."""

from collections.abc import Sequence

from longtake.pipeline.ledger.counts import dropped
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.plan.fingerprint import fingerprint, made_with
from longtake.pipeline.plan.summary import PlanSummary
from longtake.pipeline.publish.card import dataset_card
from longtake.pipeline.publish.croissant import croissant_json
from longtake.pipeline.publish.index_figures import card_figures
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import FORMAT, Layout
from longtake.schemas.manifest import CorpusManifest, Count, ShardRecord


def seal(
    layout: Layout, config: CorpusConfig, plan: PlanSummary, decode_drops: Tally, shards: Sequence[ShardRecord]
) -> None:
    """Write README.md, croissant.json, then corpus.json. Their bytes depend only on the corpus. Raises CorpusError."""
    if not shards:
        raise CorpusError(
            f"No sample is left: every sentence was dropped, of {plan.counts['sentences'].total:,} that came in. "
            f"The reasons are in {layout.ledger}."
        )
    manifest = CorpusManifest(
        format=FORMAT,
        name=config.name,
        versions=made_with(config),
        config=config.published(),
        fingerprint=fingerprint(config),
        counts=final_counts(plan, decode_drops, sum(shard.samples for shard in shards)),
        shards=tuple(sorted(shards, key=lambda shard: shard.name)),
        decisions=plan.decisions,
        publication=config.publication,
    )
    publish(layout, manifest)


def publish(layout: Layout, manifest: CorpusManifest, unchanged: Layout | None = None) -> None:
    """Check that the counts balance, then write README.md, croissant.json, and corpus.json last.

    Shards that a new version does not write are in the corpus `unchanged`. Raises CorpusError.
    """
    for subject, count in manifest.counts.items():
        if not count.balances:
            raise CorpusError(
                f"{subject}: {count.total} in, but {count.kept} kept and {count.dropped} dropped. "
                "This is a bug in Longtake; please report it."
            )
    figures = card_figures(layout, manifest, unchanged)
    storage.write_bytes(layout.card, dataset_card(manifest, figures).encode())
    storage.write_bytes(layout.croissant, croissant_json(manifest, figures))
    storage.write_bytes(layout.manifest, manifest.to_bytes())


def final_counts(plan: PlanSummary, decode_drops: Tally, samples: int) -> dict[str, Count]:
    """The counts of the plan minus what decoding dropped. Kept samples are counted in the shards, not inferred."""
    counts = {}
    for subject, planned in plan.counts.items():
        lost = dropped(decode_drops, subject.removesuffix("s"))
        kept = samples if subject == "clips" else planned.kept - lost
        counts[subject] = Count(total=planned.total, kept=kept, dropped=planned.dropped + lost)
    return counts
