"""The decisions on each row of a corpus, as bits: a filter by state then takes no look-up of subjects."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longtake.pipeline.browse.decision_table import About, is_verdict_of
from longtake.pipeline.browse.store import Mask, Store
from longtake.schemas.decision import STRICTEST_FIRST, Decision, standing

_BIT = {name: 1 << n for n, name in enumerate(STRICTEST_FIRST)}
_CONFLICT = 1 << len(STRICTEST_FIRST)

Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class RowStates:
    """For each row the bits of the decisions that count on its sample, and of those on its video."""

    of_sample: Bits
    of_video: Bits

    def mask(self, state: str) -> Mask:
        """The rows in a state: "any" (decided), "conflict", or a decision, which is the strictest on the sample and its video."""
        bits = self.of_sample | self.of_video
        if state == "any":
            return np.asarray(bits != 0)
        if state == "conflict":
            return np.asarray(bits & _CONFLICT != 0)
        stricter = sum(_BIT[name] for name in STRICTEST_FIRST[: STRICTEST_FIRST.index(state)])
        return np.asarray((bits & _BIT[state] != 0) & (bits & stricter == 0))


def row_states(store: Store, current: Mapping[About, Sequence[Decision]], curator: str) -> RowStates:
    """The states of all rows by the decisions on each subject. If `curator` is given, only that curator's verdicts count."""
    nothing = np.zeros(store.rows, np.uint8)
    return mended(store, RowStates(nothing, nothing), current, curator, current.keys())


def mended(
    store: Store,
    states: RowStates,
    current: Mapping[About, Sequence[Decision]],
    curator: str,
    changed: Collection[About],
) -> RowStates:
    """The states after the decisions on some subjects changed."""
    samples = [name for kind, name in changed if kind == "sample"]
    videos = [name for kind, name in changed if kind == "video"]
    of_sample, of_video = states.of_sample.copy(), states.of_video.copy()
    for target, kind, names in ((of_sample, "sample", samples), (of_video, "video", videos)):
        if names:
            bits = np.array([_bits(current.get((kind, name), ()), curator) for name in names], np.uint8)
            at, rows = _rows_of(store, kind, names)
            target[rows] = bits[at]
    return RowStates(of_sample, of_video)


def _bits(decisions: Sequence[Decision], curator: str) -> int:
    if len(decisions) == 1 and not curator:  # nearly all subjects of a large corpus
        return _BIT[decisions[0].decision]
    counts = [one for one in decisions if is_verdict_of(one, curator)] if curator else standing(decisions)
    found = {one.decision for one in counts}
    return sum(_BIT[name] for name in found) | (_CONFLICT if len(found) > 1 else 0)


def _rows_of(store: Store, kind: str, names: Iterable[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The rows of samples or videos: for each row the place of its subject in `names`, and its number."""
    asked = pa.table({"name": pa.array(list(names), pa.string())})
    asked = asked.append_column("place", pa.array(range(len(asked)), pa.int32()))
    column = "key" if kind == "sample" else "video_id"
    store.cursor.register("asked", asked)
    query = f"SELECT place, row_id FROM samples JOIN asked ON {column} = name"  # noqa: S608  (one of two names)
    found = store.cursor.execute(query).fetchnumpy()
    store.cursor.unregister("asked")
    return np.asarray(found["place"], np.int64), np.asarray(found["row_id"], np.int64)
