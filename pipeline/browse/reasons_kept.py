"""Why a sample is in the corpus: each threshold of its configuration with the sample's score, and the checks that were not
asked for.

The configuration comes from corpus.json, which other versions also write and strangers may have changed. A setting that is
missing or has the wrong type counts as not asked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from longtake.pipeline.filters.rules import CLIP_RULES, FRAME_RULES
from longtake.schemas.scores import column


@dataclass(frozen=True, slots=True)
class SampleCheck:
    """One check that the configuration asked for, or could have. `verdict`: "passes", "fails" (in plans that a person edited),
    "flagged", "unknown" (asked for, but there is no score) or "not asked"."""

    name: str
    asked: str
    found: str
    verdict: str
    score: float | None = None
    limit: float | None = None


def checks(row: Mapping[str, Any], config: Mapping[str, Any]) -> list[SampleCheck]:
    """The checks of a sample, by its scalar columns. Checks that the configuration asked for come first."""
    found = [*_lengths(row, _section(config, "merge")), *_filters(row, _section(config, "filters"))]
    found += _copies(row, _section(config, "duplicates"))
    return sorted(found, key=lambda check: check.verdict == "not asked")


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _lengths(row: Mapping[str, Any], merge: Mapping[str, Any]) -> Iterator[SampleCheck]:
    duration = (row["end_ms"] or 0) - (row["start_ms"] or 0)
    yield _compared("min_sentences", row["n_sentences"], _number(merge.get("min_sentences")))
    yield _compared("max_sentences", row["n_sentences"], _number(merge.get("max_sentences")))
    yield _compared("max_duration_ms", duration, _number(merge.get("max_duration_ms")))


def _filters(row: Mapping[str, Any], filters: Mapping[str, Any]) -> Iterator[SampleCheck]:
    languages = filters.get("languages")
    languages = [str(one) for one in languages] if isinstance(languages, list) else []
    spoken = row.get("language")
    verdict = "not asked" if not languages else "passes" if spoken in languages else "fails" if spoken else "unknown"
    yield SampleCheck("languages", ", ".join(languages), spoken or "", verdict)
    for rule in (*CLIP_RULES, *FRAME_RULES):
        limit = _number(filters.get(rule.setting))
        if rule.score == "language" and not languages:
            limit = None  # this threshold only concerns `languages`
        yield _compared(rule.setting, row.get(column(rule.score)), limit)
    pii, findings = filters.get("pii"), row.get(column("pii"))
    asked = pii if pii in ("mask", "drop") else ""
    verdict = "not asked" if not asked else "unknown" if findings is None else "passes"
    if asked == "drop" and findings:
        verdict = "fails"
    if asked == "mask" and findings:
        verdict = "flagged"
    yield SampleCheck("pii", asked, "" if findings is None else f"{findings:g} found", verdict, findings)


def _copies(row: Mapping[str, Any], duplicates: Mapping[str, Any]) -> Iterator[SampleCheck]:
    for name, own in (("paragraphs", "duplicate_of"), ("videos", "duplicate_video_of")):
        asked = duplicates.get(name)
        asked = asked if asked in ("flag", "drop") else ""
        verdict = "flagged" if row.get(own) else "passes" if asked else "not asked"
        yield SampleCheck(f"duplicates.{name}", asked, f"repeats {row[own]}" if row.get(own) else "", verdict)
    sets = duplicates.get("evaluation")
    names = [str(one.get("name")) for one in sets if isinstance(one, dict)] if isinstance(sets, list) else []
    overlap = row.get("evaluation_overlap")
    verdict = "flagged" if overlap else "passes" if names else "not asked"
    yield SampleCheck("duplicates.evaluation", ", ".join(names), f"in {overlap}" if overlap else "", verdict)


def _compared(setting: str, value: float | None, limit: float | None) -> SampleCheck:
    shown = "" if value is None else f"{value:.4g}" if isinstance(value, float) else f"{value:,}"
    if limit is None:
        return SampleCheck(setting, "", shown, "not asked", value)
    sign = "≥" if setting.startswith("min_") else "≤"
    verdict = "unknown"
    if value is not None:
        verdict = "passes" if (value >= limit if setting.startswith("min_") else value <= limit) else "fails"
    return SampleCheck(setting, f"{sign} {limit:,.6g}", shown, verdict, value, limit)


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
