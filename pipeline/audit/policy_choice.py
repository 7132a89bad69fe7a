"""Which samples of a corpus a policy keeps, and for which rule it drops each of the others."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from longtake.pipeline.audit.checks.content import allowed_texts
from longtake.pipeline.audit.database import Database, quoted
from longtake.pipeline.audit.sampling import INDEX, sql_value, text_columns
from longtake.schemas.errors import ConfigError
from longtake.schemas.policy import MEASURES, PolicyFile, Quota

Mask = npt.NDArray[np.bool_]
_ROUNDS = 1000  # quotas depend on each other; each round drops at least one sample


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a policy, and the samples that break it. `lacks` are those without a value, if that fails the policy."""

    name: str  # as in the file, such as "thresholds.black.max"
    limit: str  # such as "at most 0.1"
    breaks: Mask
    lacks: int = 0
    values: npt.NDArray[np.float64] | None = None  # of a threshold
    bound: float = 0.0
    is_least: bool = False
    found: str = ""  # of a quota: what is beyond it now


@dataclass(slots=True)
class Choice:
    """The samples of a corpus in the order of a draw: keys, hours, which of them the policy keeps, and its rules in order."""

    keys: npt.NDArray[np.object_]
    hours: npt.NDArray[np.float64]
    kept: Mask
    rules: list[Rule] = field(default_factory=list)
    reason: dict[str, str] = field(default_factory=dict)  # of each dropped sample: the rule, and its value

    def drop(self, rule: Rule) -> None:
        """Add a rule, and drop the samples that break it and are still kept."""
        self.rules.append(rule)
        for at in np.flatnonzero(rule.breaks & self.kept):
            value = "" if rule.values is None else f": {_figure(rule.values[at])}"
            self.reason[str(self.keys[at])] = f"{rule.name} {rule.limit}{value}"
        self.kept &= ~rule.breaks


def choose(database: Database, file: PolicyFile) -> Choice:
    """Apply a policy to the samples of a corpus. Quotas keep the samples with the lowest MD5 of "<seed>:<key>".

    Raises ConfigError for a column that the corpus does not have, and for quotas that do not come to hold together.
    """
    policy = file.policy
    texts = quota_columns(database, policy.quotas)
    columns = ["key", "(end_ms - start_ms) / 3.6e6 AS hours", "coalesce(trim(license), '') AS licence"]
    columns += [f"({MEASURES[name]})::DOUBLE AS m{n}" for n, name in enumerate(policy.thresholds)]
    columns += [f"coalesce(({texts[quota.by]})::VARCHAR, '') AS q{n}" for n, quota in enumerate(policy.quotas)]
    sql = f"SELECT {', '.join(columns)} FROM {INDEX} ORDER BY md5('{policy.seed:d}:' || key), key"
    found = database.arrays(sql)
    choice = Choice(
        np.asarray(found["key"], object), np.asarray(found["hours"], float), np.ones(len(found["key"]), bool)
    )
    if policy.licences is not None:
        stated = np.asarray(found["licence"], object)
        allowed = allowed_texts(sorted(set(stated.tolist())), policy.licences.allowed)
        breaks = ~np.isin(stated, list(allowed))
        choice.drop(Rule("licences.allowed", f"only {', '.join(policy.licences.allowed)}", breaks))
    for n, (name, threshold) in enumerate(policy.thresholds.items()):
        values: npt.NDArray[np.float64] = np.ma.filled(np.ma.asarray(found[f"m{n}"], float), np.nan)
        lacking = np.isnan(values)
        for is_least, bound in ((True, threshold.min), (False, threshold.max)):
            if bound is None:
                continue
            beyond = values < bound if is_least else values > bound
            side, limit = ("min", f"at least {bound:g}") if is_least else ("max", f"at most {bound:g}")
            breaks = beyond | lacking if threshold.missing == "drop" else beyond
            lacks = int(lacking.sum()) if threshold.missing == "fail" else 0
            choice.drop(Rule(f"thresholds.{name}.{side}", limit, breaks, lacks, values, bound, is_least))
    _apply_quotas(choice, policy.quotas, [np.asarray(found[f"q{n}"], object) for n in range(len(policy.quotas))])
    return choice


def quota_columns(database: Database, quotas: tuple[Quota, ...]) -> dict[str, str]:
    """SQL for the value of each quota. Raises ConfigError."""
    there, found = text_columns(database), {}
    for quota in quotas:
        if quota.by.startswith("meta."):
            found[quota.by] = f"json_extract_string(meta, {quoted(_path(quota.by))})"
        elif quota.by in there:
            found[quota.by] = sql_value(quota.by)
        else:
            raise ConfigError(
                f"quotas: this corpus has no column {quota.by!r}; use meta.NAME, or one of {', '.join(sorted(there))}"
            )
    return found


def _path(by: str) -> str:
    return f'$."{by.removeprefix("meta.")}"'


def _apply_quotas(choice: Choice, quotas: tuple[Quota, ...], texts: list[npt.NDArray[np.object_]]) -> None:
    """Drop what is beyond the quotas. What one quota drops can put another's share beyond its limit, so they take turns."""
    coded = [np.unique(values, return_inverse=True) for values in texts]
    before = choice.kept.copy()
    found = [_beyond(quota, names, codes, before) for quota, (names, codes) in zip(quotas, coded, strict=True)]
    dropped = [np.zeros(len(before), bool) for _ in quotas]
    kept = before.copy()
    for _ in range(_ROUNDS):
        for own, quota, (names, codes) in zip(dropped, quotas, coded, strict=True):
            out = _excess(quota, names, codes, kept)
            own |= out
            kept &= ~out
        if not any(
            _excess(quota, names, codes, kept).any() for quota, (names, codes) in zip(quotas, coded, strict=True)
        ):
            break
    else:
        raise ConfigError(
            f"quotas: after {_ROUNDS:,} rounds some still do not hold, because what one drops takes another beyond its limit. "
            "Together they may allow next to nothing: raise one of them, or leave it out."
        )
    for n, (quota, own) in enumerate(zip(quotas, dropped, strict=True)):
        choice.drop(Rule(f"quotas.{n}", told(quota), own, found=found[n]))


def told(quota: Quota) -> str:
    """A quota in words."""
    most = f"{quota.most:.4g} of all samples" if quota.most is not None else f"{quota.samples:,} samples"
    whose = f"{quota.by} {quota.value!r}" if quota.value is not None else f"each {quota.by}"
    return f"{whose} at most {most}"


def _caps(quota: Quota, names: npt.NDArray[np.object_], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many samples of each value may stay, from how many there are."""
    caps = counts.copy()
    if quota.value is None:
        most = quota.samples if quota.samples is not None else _largest_cap(counts, float(quota.most or 0))
        return np.minimum(caps, most)
    for at in np.flatnonzero(names == quota.value):
        others = int(counts.sum() - counts[at])
        most = quota.samples if quota.samples is not None else _share_beside(float(quota.most or 0), others)
        caps[at] = min(int(counts[at]), most)
    return caps


def _share_beside(share: float, others: int) -> int:
    """The largest number that is at most `share` of itself and `others` others."""
    most = math.floor(share / (1 - share) * others + 1e-9)
    return most if most <= share * (most + others) + 1e-9 else most - 1


def _largest_cap(counts: npt.NDArray[np.int64], share: float) -> int:
    """The largest cap at which no value has more than `share` of what the cap leaves; 0 if there is none."""
    low, high = 0, int(counts.max(initial=0))
    while low < high:  # what the cap leaves, times the share, less the cap is concave and 0 at 0
        middle = (low + high + 1) // 2
        if middle <= share * np.minimum(counts, middle).sum() + 1e-9:
            low = middle
        else:
            high = middle - 1
    return low


def _excess(quota: Quota, names: npt.NDArray[np.object_], codes: npt.NDArray[np.int64], kept: Mask) -> Mask:
    """The kept samples beyond a quota: the last ones of each value, in the order of the draw."""
    rows = np.flatnonzero(kept)
    own = codes[rows]
    caps = _caps(quota, names, np.bincount(own, minlength=len(names)))
    order = np.argsort(own, kind="stable")
    first = np.searchsorted(own[order], own[order])
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - first
    out = np.zeros(len(kept), bool)
    out[rows[rank >= caps[own]]] = True
    return out


def _beyond(quota: Quota, names: npt.NDArray[np.object_], codes: npt.NDArray[np.int64], kept: Mask) -> str:
    """What is beyond a quota among the kept samples, in words; "" if nothing is."""
    counts = np.bincount(codes[kept], minlength=len(names))
    total = max(int(counts.sum()), 1)
    limit = quota.samples if quota.samples is not None else float(quota.most or 0) * total
    over = [at for at in _asked(quota, names) if counts[at] > limit + 1e-9]
    worst = sorted(over, key=lambda at: -counts[at])[:3]
    if not over:
        return ""
    shown = ", ".join(
        f"{str(names[at])[:80] or '(not stated)'} {counts[at]:,} ({counts[at] / total:.1%})" for at in worst
    )
    return f"{len(over):,} of {len(names):,} are beyond it: {shown}{', ...' if len(over) > 3 else ''}"


def _asked(quota: Quota, names: npt.NDArray[np.object_]) -> Iterator[int]:
    yield from (at for at in range(len(names)) if quota.value is None or names[at] == quota.value)


def _figure(value: float) -> str:
    return "no value" if math.isnan(value) else f"{value:.4g}"
