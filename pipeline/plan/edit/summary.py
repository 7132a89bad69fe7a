"""The figures of a plan that a person edited: the figures of the original plan, less the drops of the edit."""

from collections import Counter
from dataclasses import replace
from typing import Any

from longtake.pipeline.ledger.counts import dropped
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.plan.summary import PlanSummary, summarise
from longtake.schemas.config import CorpusConfig
from longtake.schemas.manifest import Count
from longtake.schemas.reasons import Stage

_SCALED = "; scaled to the hours and frames that the edit keeps"


def edited_summary(config: CorpusConfig, origin: PlanSummary | None, tally: Tally, ledger: Tally) -> PlanSummary:
    """The figures of an edited plan. Its input is the input of the plan that was edited."""
    edited = {"rows": tally[("rows",)], "cut_anew": tally[("cut_anew",)] if origin else 0}
    edited |= {f"recomputed_{key[1]}": n for key, n in sorted(tally.items()) if key[0] == "recomputed"}
    fresh = replace(summarise(config, "none", tally, Counter()), edited=edited)
    if origin is None:
        return fresh
    drops = {key: n for key, n in origin.drops.items() if key.split()[1] != Stage.EDIT.value}
    earlier = Counter({key.split()[0]: n for key, n in origin.drops.items() if key not in drops})
    counts = {}
    for subject, before in origin.counts.items():
        gone = before.dropped - earlier[subject[:-1]] + dropped(ledger, subject[:-1])
        # The edit adds each newly cut long clip to the input; the long clips that it was cut from are in the ledger.
        total = before.total + (tally[("cut_anew",)] if subject == "clips" else 0)
        counts[subject] = Count(total=total, kept=fresh.counts[subject].kept, dropped=gone)
    return replace(
        fresh,
        probe=origin.probe,
        counts=counts,
        failed_videos=origin.failed_videos,
        drops=dict(
            sorted((drops | {" ".join(key[1:]): n for key, n in ledger.items() if key[0] == "dropped"}).items())
        ),
        hours=fresh.hours | {"in": origin.hours["in"]},
        words=origin.words | {"out": fresh.words["out"]},
        estimate=_scaled(origin, fresh, tally),
        masked=origin.masked,
        decisions=origin.decisions,
    )


def _scaled(origin: PlanSummary, fresh: PlanSummary, tally: Tally) -> dict[str, Any]:
    """Scale the estimate of the plan that was edited: the rows do not hold the facts that its probe found in each source."""
    hours = tally[("ms_out",)] / max(1, tally[("ms_planned",)])
    before, after = (sum(split["frames"] for split in summary.splits.values()) for summary in (origin, fresh))
    estimate = origin.estimate
    return {
        "how": estimate["how"].removesuffix(_SCALED) + _SCALED,
        "decoded_frames": round(estimate["decoded_frames"] * hours),
        "cpu_hours": round(estimate["cpu_hours"] * hours, 4),
        "bytes": round(estimate["bytes"] * after / max(1, before)),
    }
