"""The changes from one plan to another, and their cost."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from longtake.pipeline.corpus.withdrawn import HIDDEN
from longtake.pipeline.plan.rows import PlanRows, distinct, read_plan_rows, rows_at
from longtake.schemas.keys import sample_key
from longtake.schemas.printable import printable

EXAMPLES = 10
_SHOWN = 60  # characters of a text
_ALL = ("uri", "url", "license", "meta")
_COLUMNS = ("video_id", "sentences", "split", "shard", *_ALL)

Rows = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Pair = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class PlanDiff:
    """A comparison of two plans. In each pair, the first value belongs to A; None is unknown.

    `clips` counts the long clips that are only in A, only in B, or the same in both; also the long clips with the same key but
    another text, split, shard or source (uri, url, license, meta), and one clip may count in several of these. `shards` is None
    if a plan has no _plan.json: its long clips get their shards when it is built.
    """

    settings: dict[str, Pair] | None
    figures: dict[str, Pair]
    drops: dict[str, Pair] | None
    clips: dict[str, int]
    shards: dict[str, int] | None
    examples: dict[str, list[str]]
    notes: list[str]
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """For `--json`: pairs are {"a": ..., "b": ...}."""
        whole = asdict(self)
        for name in ("settings", "figures", "drops"):
            if whole[name] is not None:
                whole[name] = {key: {"a": a, "b": b} for key, (a, b) in whole[name].items()}
        return whole


def diff_plans(path_a: str, path_b: str) -> PlanDiff:
    """Compare the plans at two places. Raises CorpusError."""
    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(read_plan_rows, (path_a, path_b))
    settings = _settings(a, b)
    figures = _figures(a, b)
    rows = _compare(a, b)
    clips = {name: len(found[0]) for name, found in rows.items()}
    same = clips["same"] == len(a.clips) == len(b.clips)
    return PlanDiff(
        settings=settings,
        figures=figures,
        drops=_drops(a, b),
        clips=clips,
        shards=_shards(a, b),
        examples=_examples(a, b, rows),
        notes=_notes(a, b),
        verdict=_verdict(figures, same, settings),
    )


def _settings(a: PlanRows, b: PlanRows) -> dict[str, Pair] | None:
    if a.summary is None or b.summary is None:
        return None
    ours, theirs = _flat(a.summary.config), _flat(b.summary.config)
    names = sorted(ours.keys() | theirs.keys())
    return {name: (ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)}


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in values.items():
        out |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return out


def _figures(a: PlanRows, b: PlanRows) -> dict[str, Pair]:
    def estimate(plan: PlanRows, name: str) -> Any:
        return plan.summary.estimate.get(name) if plan.summary else None

    def of(plan: PlanRows) -> dict[str, Any]:
        return {
            "videos": plan.videos,
            "sentences": plan.sentences,
            "long clips": len(plan.clips),
            "hours": round(plan.ms / 3.6e6, 4),
            "words": plan.words,
            "frames": plan.frames,
            "bytes": estimate(plan, "bytes"),
            "CPU-hours": estimate(plan, "cpu_hours"),
        }

    ours, theirs = of(a), of(b)
    return {name: (ours[name], theirs[name]) for name in ours}


def _drops(a: PlanRows, b: PlanRows) -> dict[str, Pair] | None:
    if a.summary is None or b.summary is None:
        return None
    ours, theirs = a.summary.drops, b.summary.drops
    return {key: (ours.get(key, 0), theirs.get(key, 0)) for key in sorted(ours.keys() | theirs.keys())}


def _compare(a: PlanRows, b: PlanRows) -> dict[str, tuple[Rows, Rows]]:
    """For each kind of change, the rows in A and in B, in the order of A's rows (of B's rows if they are only in B)."""
    keys_a, first_in_a = distinct(a.clips["key"])
    keys_b, first_in_b = distinct(b.clips["key"])
    at, found = _find(keys_b, keys_a)
    in_a, in_b = first_in_a[at[found]], first_in_b[found]
    order = np.argsort(in_a)
    in_a, in_b = in_a[order], in_b[order]
    none = np.zeros(0, np.int64)
    # A key that one plan has twice is not "only" there: a note reports repeated rows.
    only_a = np.flatnonzero(~_find(a.clips["key"], keys_b)[1])
    only_b = np.flatnonzero(~_find(b.clips["key"], keys_a)[1])
    ours, theirs = a.clips[in_a], b.clips[in_b]
    numbers = {name: number for number, name in enumerate(a.splits)}
    to_a = np.array([numbers.get(name, -1) for name in b.splits] or [-1])
    other = {
        "other text": ours["text"] != theirs["text"],
        "other split": ours["split"] != to_a[theirs["split"]],
        "other source": ours["source"] != theirs["source"],
    }
    if a.summary is not None and b.summary is not None:
        other["other shard"] = ours["shard"] != theirs["shard"]
    same = ~np.logical_or.reduce(list(other.values()))
    return {
        "only in A": (only_a, none),
        "only in B": (only_b, none),
        "same": (in_a[same], in_b[same]),
        **{name: (in_a[which], in_b[which]) for name, which in other.items()},
    }


def _find(keys: Keys, known: Keys) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """For each key, its place among `known` ones in order, and whether it is there."""
    at = np.searchsorted(known, keys)
    found = at < len(known)
    found[found] = known[at[found]] == keys[found]
    return at, found


def _shards(a: PlanRows, b: PlanRows) -> dict[str, int] | None:
    if a.summary is None or b.summary is None:
        return None
    ours, theirs = _shard_digests(a), _shard_digests(b)
    # The settings decide the size and coding of frames: with other settings, every shard changes.
    recoded = a.summary.config.get("frames") != b.summary.config.get("frames")
    both = ours.keys() & theirs.keys()
    changed = len(both) if recoded else sum(ours[shard] != theirs[shard] for shard in both)
    return {
        "in A": len(ours),
        "in B": len(theirs),
        "same": len(both) - changed,
        "changed": changed,
        "gone": len(ours) - len(both),
        "new": len(theirs) - len(both),
    }


def _shard_digests(plan: PlanRows) -> dict[tuple[str, int], int]:
    """A digest of the rows of each shard, in any reading order."""
    if not len(plan.clips):
        return {}
    clips = plan.clips
    place = clips["split"].astype(np.int64) << 32 | clips["shard"].astype(np.int64)
    mixed = clips["key"].copy()
    for name in ("text", "source", "frames", "position"):
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) + clips[name].astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
    order = np.argsort(place, kind="stable")
    places = place[order]
    first = np.flatnonzero(np.concatenate([[True], places[1:] != places[:-1]]))
    digests = np.add.reduceat(mixed[order], first)
    return {
        (plan.splits[number >> 32], number & 0xFFFFFFFF): digest
        for number, digest in zip(places[first].tolist(), digests.tolist(), strict=True)
    }


def _examples(a: PlanRows, b: PlanRows, rows: dict[str, tuple[Rows, Rows]]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    withdrawn = a.withdrawn | b.withdrawn

    def told(row: dict[str, Any], text: str) -> str:
        hidden = withdrawn.clip(str(row["video_id"]), _key(row))
        return f"{_key(row)}: {HIDDEN if hidden else text}"

    for name, (first, second) in rows.items():
        if name == "same" or not len(first):
            continue
        numbers, others = first[:EXAMPLES].tolist(), second[:EXAMPLES].tolist()
        if name.startswith("only"):
            found = rows_at(a if name == "only in A" else b, numbers, _COLUMNS)
            out[name] = [told(found[n], _quoted(_texts(found[n])[0])) for n in numbers]
        else:
            ours, theirs = rows_at(a, numbers, _COLUMNS), rows_at(b, others, _COLUMNS)
            pairs = [(ours[n], theirs[m]) for n, m in zip(numbers, others, strict=True)]
            out[name] = [told(one, _change(name, one, other)) for one, other in pairs]
    return out


def _change(name: str, one: dict[str, Any], other: dict[str, Any]) -> str:
    if name == "other split":
        return f"{printable(str(one['split']))} -> {printable(str(other['split']))}"
    if name == "other shard":
        return f"{one['split']} {one['shard']} -> {other['split']} {other['shard']}"
    if name == "other source":
        changed = [field for field in _ALL if (one.get(field) or "") != (other.get(field) or "")]
        return ", ".join(f"{f} {_quoted(str(one.get(f)))} -> {_quoted(str(other.get(f)))}" for f in changed)
    ours, theirs = _texts(one), _texts(other)
    if len(ours) != len(theirs):
        return f"{len(ours)} sentences -> {len(theirs)}"
    told = [f"{_quoted(x)} -> {_quoted(y)}" for x, y in zip(ours, theirs, strict=True) if x != y]
    said = [f"asr {_quoted(x)} -> {_quoted(y)}" for x, y in zip(_said(one), _said(other), strict=True) if x != y]
    return next(iter(told + said), "")


def _key(row: dict[str, Any]) -> str:
    sentences = row["sentences"]
    return sample_key(str(row["video_id"]), int(sentences[0]["start_ms"]), int(sentences[-1]["end_ms"]))


def _texts(row: dict[str, Any]) -> list[str]:
    return [sentence["text"] or "" for sentence in row["sentences"]]


def _said(row: dict[str, Any]) -> list[str]:
    return [sentence.get("asr") or "" for sentence in row["sentences"]]


def _quoted(text: str) -> str:
    return f"'{printable(text, _SHOWN)}'"


def _notes(a: PlanRows, b: PlanRows) -> list[str]:
    notes = []
    for name, plan in (("A", a), ("B", b)):
        repeated = len(plan.clips) - len(distinct(plan.clips["key"])[0])
        if repeated:
            notes.append(f"{name} has {repeated:,} rows with the key of another row.")
        if plan.summary is None:
            notes.append(
                f"{name} has no _plan.json: settings, cost and drops are unknown, and its shards are not yet assigned."
            )
        elif plan.summary.counts["clips"].kept != len(plan.clips):
            planned = plan.summary.counts["clips"].kept
            notes.append(
                f"{name} was changed in place: _plan.json speaks of {planned:,} long clips. Its cost is out of date."
            )
    if a.summary and b.summary and a.summary.probe != b.summary.probe:
        probes = f"{a.summary.probe!r} and {b.summary.probe!r}"
        notes.append(f"The costs rest on different probes ({probes}); plan both with the same --probe to compare them.")
    return notes


def _verdict(figures: dict[str, Pair], same: bool, settings: dict[str, Pair] | None) -> str:
    if same and not settings:
        return "The plans are the same." if settings is not None else "The long clips are the same."
    hours, cpu = figures["hours"], figures["CPU-hours"]
    said = [_hours(*hours)]
    if cpu[0] is None or cpu[1] is None:
        said.append("what that saves or costs is unknown")
    elif cpu[0] != cpu[1]:
        said.append(
            f"{'saves' if cpu[1] < cpu[0] else 'costs another'} {_amount(abs(cpu[1] - cpu[0]))} CPU-hours of decoding"
        )
    else:
        said.append("takes as long to decode")
    return f"B {' and '.join(said)}."


def _hours(a: float, b: float) -> str:
    if a == b:
        return "keeps as many hours"
    if not a:
        return f"keeps {_amount(b)} hours where A has none"
    percent = 100 * abs(b - a) / a
    return f"keeps {f'{percent:.1f}' if percent >= 0.05 else 'less than 0.1'} % {'fewer' if b < a else 'more'} hours"


def _amount(value: float) -> str:
    return f"{value:,.1f}" if value >= 1 else f"{value:.2g}"
