"""The figures of a revised plan. They are counted again from its rows, or carried over if only the sources have them."""

from collections import Counter
from dataclasses import replace
from typing import Any

from longtake.pipeline.ledger.counts import dropped
from longtake.pipeline.ledger.tally import Tally, distribution, histogram
from longtake.pipeline.plan.assign import shard_count
from longtake.pipeline.plan.summary import PlanSummary, applied
from longtake.pipeline.revise.change import VersionChange
from longtake.schemas.errors import CorpusError
from longtake.schemas.manifest import Count

_SCALED = "; scaled to the hours and frames of the revised plan"


def revised_summary(
    change: VersionChange, origins: tuple[PlanSummary, ...], tally: Tally, ledger: Tally
) -> PlanSummary:
    """The figures of the new plan. `tally` counts its rows and the source videos planned again, `ledger` all rows except stage
    decode.

    Raises CorpusError if the numbers that came in do not add up.
    """
    first = origins[0]
    planned = {
        "videos": tally[("planned",)],
        "sentences": sum(size * n for size, n in histogram(tally, "sentences_out").items()),
        "clips": tally[("clips",)],
    }
    counts = {}
    for subject, kept in planned.items():
        gone = dropped(ledger, subject[:-1])
        counts[subject] = Count(total=kept + gone, kept=kept, dropped=gone)
        before = first.counts[subject].total
        if not change.is_merge and not change.replanned and counts[subject].total != before:
            raise CorpusError(
                f"{before:,} {subject} went into the corpus, but plan and ledger have {kept + gone:,}. "
                "Check the corpus with: longtake verify"
            )
    splits = {
        key[1]: {"samples": n, "frames": tally["frames_of", key[1]], "shards": shard_count(n, change.samples)}
        for key, n in sorted(tally.items())
        if key[0] == "clips_of"
    }
    return replace(
        first,
        counts=counts,
        failed_videos=ledger[("failed",)],
        drops={" ".join(key[1:]): n for key, n in sorted(ledger.items()) if key[0] == "dropped"},
        hours={
            "in": round(sum(o.hours["in"] for o in origins) + tally[("ms_in",)] / 3.6e6, 4),
            "said": round(tally[("ms_said",)] / 3.6e6, 4),
            "out": round(tally[("ms_out",)] / 3.6e6, 4),
        },
        words={
            "in": _words_in([o.words["in"] for o in origins], histogram(tally, "words_in")),
            "out": distribution(histogram(tally, "words_out")),
        },
        sentences_per_clip=distribution(histogram(tally, "sentences_out")),
        splits=splits,
        estimate=_estimate(origins, tally, splits),
        cleaned=_summed([o.cleaned or {} for o in origins], tally, "cleaned"),
        masked=_summed([o.masked for o in origins], tally, "masked"),
        rewritten=tally[("rewritten",)],
        groups=sum(o.groups for o in origins) if all(o.groups for o in origins) else 0,
        decisions=None
        if change.is_merge or first.decisions is None
        else first.decisions | {"applied": first.decisions["applied"] + applied(tally)},
    )


def _words_in(before: list[dict[str, Any]], added: dict[int, int]) -> dict[str, Any]:
    """The figures of several origins added up. Their percentiles cannot be added, and stay empty."""
    if len(before) == 1 and not added:
        return before[0]
    number = sum(words["number"] for words in before) + sum(added.values())
    total = sum(words["sum"] for words in before) + sum(size * n for size, n in added.items())
    mean = round(total / number, 2) if number else None
    return dict.fromkeys(before[0]) | {"number": number, "sum": total, "mean": mean}


def _estimate(origins: tuple[PlanSummary, ...], tally: Tally, splits: dict[str, dict[str, int]]) -> dict[str, Any]:
    """The cost to decode all of the new plan, scaled from the origins: the rows do not have what probes knew of each source."""
    first = origins[0].estimate
    hours = sum(o.hours["out"] for o in origins)
    frames = sum(split["frames"] for o in origins for split in o.splits.values())
    now = sum(split["frames"] for split in splits.values())
    if len(origins) == 1 and now == frames:
        return first
    spent = tally[("ms_out",)] / 3.6e6 / hours if hours else 0
    return {
        "how": first["how"].removesuffix(_SCALED) + _SCALED,
        "decoded_frames": round(sum(o.estimate["decoded_frames"] for o in origins) * spent),
        "cpu_hours": round(sum(o.estimate["cpu_hours"] for o in origins) * spent, 4),
        "bytes": round(sum(o.estimate["bytes"] for o in origins) * now / max(1, frames)),
    }


def _summed(before: list[dict[str, int]], tally: Tally, name: str) -> dict[str, int]:
    total = Counter({key[1]: n for key, n in tally.items() if key[0] == name})
    for counts in before:
        total.update(counts)
    return dict(sorted(total.items()))
