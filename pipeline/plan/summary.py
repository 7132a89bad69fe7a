"""plan/_plan.json: the figures of a plan. `longtake plan` prints them, and `longtake build` starts from them."""

import json
from dataclasses import dataclass, field
from typing import Any

from longtake.pipeline.filters.rejects import RejectsFile
from longtake.pipeline.ledger.counts import commonest, dropped
from longtake.pipeline.ledger.tally import Tally, distribution, histogram
from longtake.pipeline.plan.assign import shard_count
from longtake.pipeline.plan.estimate import HOW
from longtake.pipeline.plan.fingerprint import fingerprint
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import FORMAT
from longtake.schemas.manifest import Count
from longtake.schemas.reasons import UNREADABLE, Stage, Subject

_UNHEARD = " Speech recognition can make the text: docs/sources.md#speech-recognition."
SUMMARY_FILE = "_plan.json"  # readers of a Parquet folder ignore names that start with _


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """The figures of a plan. `fingerprint` is the fingerprint of its configuration. `edited` is None except for a plan that a
    person edited: it counts the rows, the newly cut long clips, and the recomputed values. `decisions` is None unless curators
    rejected something: it has the digest of the rejections, their number, and how many applied. `hours` are "in" (of the input
    sentences), "said" (of the planned sentences) and "out" (of the long clips with their pauses).
    """

    fingerprint: str
    config: dict[str, Any]
    probe: str
    counts: dict[str, Count]
    failed_videos: int
    drops: dict[str, int]  # "subject stage reason" -> rows
    hours: dict[str, float]
    words: dict[str, dict[str, Any]]
    sentences_per_clip: dict[str, Any]
    splits: dict[str, dict[str, int]]
    estimate: dict[str, Any]
    edited: dict[str, int] | None = None
    cleaned: dict[str, int] | None = None  # removals by cleaning step; None in plans of earlier versions
    masked: dict[str, int] = field(default_factory=dict)  # personal data by kind, before duplicates are dropped
    rewritten: int = 0  # long clips with captions by a model
    decisions: dict[str, Any] | None = None
    unreadable: dict[str, int] = field(
        default_factory=dict
    )  # lines without a record, in the manifest and in other files

    groups: int = 0  # published groups in the source; each is a long clip, or has a ledger row

    def to_json(self) -> dict[str, Any]:
        whole = {name: getattr(self, name) for name in self.__slots__}
        if self.decisions is None:  # as in plans without decisions
            del whole["decisions"]
        if not self.groups:
            del whole["groups"]
        return {"format": FORMAT} | whole | {"counts": {k: c.to_json() for k, c in self.counts.items()}}


def summarise(
    config: CorpusConfig, probe: str, tally: Tally, ledger: Tally, rejects: RejectsFile | None = None
) -> PlanSummary:
    """Make the figures from the tally of the planned videos and the tally of the ledger."""
    read = {key[1]: 0 for key in ledger if key[0] == "dropped"}
    for key, n in ledger.items():
        if key[0] == "dropped" and key[2] in ("read", "clean"):  # dropped before sentences are tallied
            read[key[1]] += n
    counts = {}
    for subject, planned in (("videos", tally[("planned",)]), ("sentences", 0), ("clips", tally[("clips",)])):
        singular = subject[:-1]
        total = tally[(subject,)] + (read.get(singular, 0) if subject != "clips" else tally[("filtered",)])
        gone = dropped(ledger, singular)
        counts[subject] = Count(total=total, kept=planned if subject != "sentences" else total - gone, dropped=gone)
    kept_sentences = sum(size * n for size, n in histogram(tally, "sentences_out").items())
    counts["sentences"] = Count(
        total=counts["sentences"].total, kept=kept_sentences, dropped=counts["sentences"].dropped
    )
    return PlanSummary(
        fingerprint=fingerprint(config),
        config=config.published(),
        probe=probe,
        counts=counts,
        failed_videos=ledger[("failed",)],
        drops={" ".join(key[1:]): n for key, n in sorted(ledger.items()) if key[0] == "dropped"},
        hours={name: round(tally[(f"ms_{name}",)] / 3.6e6, 4) for name in ("in", "said", "out")},
        words={name: distribution(histogram(tally, f"words_{name}")) for name in ("in", "out")},
        sentences_per_clip=distribution(histogram(tally, "sentences_out")),
        splits={
            key[1]: {
                "samples": n,
                "frames": tally["frames_of", key[1]],
                "shards": shard_count(n, config.shards.samples),
            }
            for key, n in sorted(tally.items())
            if key[0] == "clips_of"
        },
        estimate={
            "how": HOW[probe],
            "decoded_frames": tally[("decoded_frames",)],
            "cpu_hours": round(tally[("cpu_ms",)] / 3.6e6, 4),
            "bytes": tally[("bytes",)],
        },
        cleaned={key[1]: n for key, n in sorted(tally.items()) if key[0] == "cleaned"},
        masked={key[1]: n for key, n in sorted(tally.items()) if key[0] == "masked"},
        rewritten=tally[("rewritten",)],
        decisions=None
        if rejects is None
        else {"sha256": rejects.digest, "rejects": rejects.number, "applied": applied(tally)},
        unreadable=_unreadable(tally, ledger),
        groups=tally[("groups",)],
    )


def _unreadable(tally: Tally, ledger: Tally) -> dict[str, int]:
    lines = sum(ledger["dropped", Subject.RECORD.value, Stage.READ.value, reason.value] for reason in UNREADABLE)
    return {"videos": tally[("unreadable",)], "other": lines - tally[("unreadable",)]} if lines else {}


def applied(tally: Tally) -> int:
    """The number of rejections that applied to the plan."""
    return sum(key[0] == "applied" for key in tally)


def check_plan(summary: PlanSummary, config: CorpusConfig, ledger: str) -> None:
    """Raise CorpusError if the input has no video or no sentence, or if too large a share of the lines or videos failed. The
    folder `ledger` says why."""
    videos, sentences = summary.counts["videos"].total, summary.counts["sentences"].total
    manifest = config.source.place
    text = next(iter(config.source.text.paths), manifest)
    lines = summary.unreadable.get("videos", 0), summary.unreadable.get("other", 0)
    if not videos:
        raise CorpusError(f"{manifest}: no record of a video could be read.{commonest(ledger)}")
    _check_share(lines[0], lines[0] + videos, f"lines of {manifest} could not be read", config.max_failed, ledger)
    if not sentences:
        hint = "" if config.source.text.hears else _UNHEARD
        raise CorpusError(f"{text}: no sentence could be read.{hint}{commonest(ledger)}")
    if config.source.text.format == "hdvila":  # a line for each sentence
        _check_share(lines[1], lines[1] + sentences, f"lines of {text} could not be read", config.max_failed, ledger)
    check_failed(summary.failed_videos, videos, config.max_failed, ledger)


def check_failed(failed: int, videos: int, max_failed: float, ledger: str) -> None:
    """Raise CorpusError if too large a share of the videos failed."""
    _check_share(failed, videos, "videos failed", max_failed, ledger)


def _check_share(failed: int, whole: int, what: str, max_failed: float, ledger: str) -> None:
    if whole and failed > max_failed * whole:
        raise CorpusError(
            f"{failed:,} of {whole:,} {what} ({failed / whole:.0%}); max_failed allows {max_failed:.0%}. "
            f"Repair the sources, or raise max_failed in the configuration.{commonest(ledger)}"
        )


def empty_splits(summary: PlanSummary) -> list[str]:
    """The splits of the configuration that got no sample."""
    return [name for name, share in summary.config.get("split", {}).items() if share > 0 and name not in summary.splits]


def write_summary(folder: str, summary: PlanSummary) -> None:
    """Write _plan.json, the last file of a plan."""
    text = json.dumps(summary.to_json(), indent=2, sort_keys=True, ensure_ascii=False)
    storage.write_bytes(storage.join(folder, SUMMARY_FILE), (text + "\n").encode())


def read_summary(folder: str) -> PlanSummary | None:
    """The summary of the plan in `folder`; None if there is no complete plan. Raises CorpusError for a summary it cannot read."""
    path = storage.join(folder, SUMMARY_FILE)
    if not storage.exists(path):
        return None
    try:
        raw = json.loads(storage.read_bytes(path))
        if raw.pop("format") != FORMAT:
            raise CorpusError(f"{path}: made by another version of Longtake. Make the plan again with: longtake plan")
        raw["counts"] = {k: Count.from_json(c) for k, c in raw["counts"].items()}
        return PlanSummary(**raw)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorpusError(f"{path}: not a readable plan summary: {error}") from None
