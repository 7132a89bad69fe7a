"""The data behind all pages: the corpus, its cache, the decisions, the sample for review."""

import functools
import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from longtake.pipeline.audit.queues import CONFLICTS, QueueTable, queues_path, read_queues
from longtake.pipeline.audit.sampling import ReviewSample, read_sample
from longtake.pipeline.browse import audit_checks
from longtake.pipeline.browse.axes import Axes, Axis, Values
from longtake.pipeline.browse.cache import corpus_digest
from longtake.pipeline.browse.combine import SelectionError, evaluate
from longtake.pipeline.browse.decision_table import DecisionTable
from longtake.pipeline.browse.entries import Entries
from longtake.pipeline.browse.histogram import Binned, Histogram, binned
from longtake.pipeline.browse.kept import Kept
from longtake.pipeline.browse.map_table import CorpusMap
from longtake.pipeline.browse.marks import Marks
from longtake.pipeline.browse.meaning_search import MeaningSearch
from longtake.pipeline.browse.sandbox import QueryError, Sandbox, may_ask_decisions
from longtake.pipeline.browse.saved import FILE, SavedSelections
from longtake.pipeline.browse.selection import TOP, Selection, read_selection
from longtake.pipeline.browse.source_files import SourceFiles
from longtake.pipeline.browse.store import Ids, Mask, Store, all_of
from longtake.pipeline.browse.vectors import Space
from longtake.pipeline.browse.viewer import viewer
from longtake.pipeline.browse.watched_file import WatchedFile
from longtake.schemas import storage
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest

NOT_RUN = "not run yet, because it came with an address. Read it, then press Apply or Run."
_KEPT_BINNED = 64  # columns
_MOST_NESTED = 50  # saved selections, each made of the next
_REMOTE_SECONDS = 10  # between two checks of a remote corpus.json


#: The rows of saved selections, each evaluated once however often others are made of it; None while it is being evaluated.
Named = dict[str, Mask | None]


@dataclass(frozen=True)
class Site:
    """A corpus that is being browsed. `curator` is the default curator. If `is_blind`, a curator sees the verdicts of others on a
    subject only after an own one."""

    layout: Layout
    manifest: CorpusManifest
    store: Store
    marks: Marks
    spaces: Sequence[Space] = ()
    maps: Sequence[CorpusMap] = ()
    sources: SourceFiles | None = None
    meanings: MeaningSearch | None = None
    read_only: bool = False
    curator: str = ""
    is_blind: bool = True
    saved: SavedSelections = field(init=False)
    axes: Axes = field(init=False)
    entries: Entries = field(init=False)
    current: "Current" = field(init=False)
    sandbox: Sandbox = field(init=False)
    _binned: Kept[Binned | None] = field(init=False, default_factory=lambda: Kept(_KEPT_BINNED), repr=False)
    queue_file: WatchedFile[QueueTable] = field(init=False)
    _similar: Kept[list[tuple[int, float]]] = field(init=False, default_factory=lambda: Kept(_KEPT_BINNED), repr=False)
    secret: bytes = field(init=False, default_factory=lambda: secrets.token_bytes(32), repr=False)

    def __post_init__(self) -> None:
        folder, slash, _ = self.marks.path.rpartition("/")
        object.__setattr__(self, "saved", SavedSelections(f"{folder}{slash}{FILE}"))
        object.__setattr__(self, "axes", Axes(self.store, _axes_of(self.maps)))
        object.__setattr__(self, "entries", Entries(self.layout, self.store))
        object.__setattr__(self, "current", Current(self.layout, self.store.cache.corpus))
        object.__setattr__(self, "sandbox", Sandbox(self.store.cache))
        object.__setattr__(self, "queue_file", WatchedFile(queues_path(self.layout), read_queues))

    def prepare(self) -> None:
        """Start and make what would otherwise keep the first page waiting: for a million samples, for seconds."""
        self.sandbox.warm()
        self.histograms(None)
        self.marks.disputed()
        for seen in (self.marks.read(), self.marks.seen_by(self.curator)):
            self.marks.rows_in(self.store, "ok", "", seen)

    def proof(self, sql: str) -> str:
        """A code that an address with SQL must carry to run it. Only our own pages can make it, so another site that leads a
        browser here cannot start a query."""
        return hmac.digest(self.secret, sql.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]

    def proves(self, sql: str, proof: str) -> bool:
        """Whether one of our own pages has asked for this SQL since the server started."""
        return hmac.compare_digest(self.proof(sql).encode(), proof.encode("utf-8", "surrogatepass"))

    def sample_for_review(self) -> list[ReviewSample] | None:
        """The sample that `longtake audit --sample` drew, in the order of review. Raises ConfigError."""
        return read_sample(self.layout)

    def queues(self) -> QueueTable:
        """What `longtake queues` dealt out. Raises ConfigError."""
        return self.queue_file.get()

    def seen(self, selection: Selection | None = None) -> DecisionTable:
        """The decisions that may show to whoever looks at this page. In the queue of conflicts, who may settle them sees all.

        Raises ConfigError and OSError.
        """
        if self.read_only or not self.is_blind:
            return self.marks.read()
        looks = viewer()
        return self.marks.seen_by(looks.name, self.adjudicates(selection))

    def adjudicates(self, selection: Selection | None) -> bool:
        """Whether this page is one of the queue of conflicts, and its viewer may settle them."""
        return selection is not None and selection.queue == CONFLICTS and viewer().adjudicates

    def rows(self, selection: Selection) -> tuple[list[Mask], Ids | None]:
        """The masks of the rows in a list, and its order.

        Raises QueryError for its SQL, SelectionError, SlowSearch, and ConfigError for an invalid file of decisions, saved
        selections or sample for review.
        """
        if selection.condition and not self.proves(selection.condition, selection.proof):
            raise QueryError(NOT_RUN)
        dealt = self._dealt(selection)
        masks, order = self._masks(selection, dealt, {}), self.store.order(selection)
        if order is None and (selection.near or selection.like):
            order = _first([row for row, _ in self.similar(selection)], self.store.rows)
        if order is None and dealt:
            order = np.array(dealt[0], np.int32)
        return masks, order

    def shown(self, mask: Mask | None) -> str:
        """What a page keeps of the samples that it shows, to act on these alone: their number, and a digest of which ones."""
        rows = np.ones(self.store.rows, bool) if mask is None else mask
        digest = hashlib.sha256(self.store.cache.corpus.encode() + np.packbits(rows).tobytes()).hexdigest()
        return f"{int(rows.sum())}:{digest[:32]}"

    def named(self, name: str, known: Named | None = None) -> Mask:
        """The rows of a saved selection. `known` keeps those that were evaluated already. Raises SelectionError if there is none,
        and what `rows` raises."""
        return self._named(name, {} if known is None else known)

    def keys(self, name: str) -> list[str]:
        """The keys of the samples in a saved selection, in the order of the index; raises like `named`."""
        return self.store.keys_of(np.flatnonzero(self.named(name)).astype(np.int32))

    def _named(self, name: str, known: Named) -> Mask:
        if (mask := known.get(name)) is not None:
            return mask
        if name in known:
            raise SelectionError(f"the selection {name!r} is made of itself")
        if sum(one is None for one in known.values()) == _MOST_NESTED:
            raise SelectionError(f"more than {_MOST_NESTED} selections are made of each other")
        known[name] = None
        try:
            found = known[name] = self._evaluated(name, known)
        finally:
            if known[name] is None:
                del known[name]
        return found

    def _evaluated(self, name: str, known: Named) -> Mask:
        saved = self.saved.read()
        if name not in saved:
            raise SelectionError(f"no selection is named {name[:60]!r}")
        one = saved[name]
        if one.keys is not None:
            return self.store.remembered(f"keys {self.saved.version} {name}", lambda: self._there(one.keys or ()))
        selection = read_selection(one.query)
        found = all_of(self._masks(selection, self._dealt(selection), known))
        return np.ones(self.store.rows, bool) if found is None else found

    def histograms(self, mask: Mask | None) -> list[Histogram]:
        """The histogram of each measure for all rows and for those that `mask` chooses."""
        found = []
        for measure in self.store.measures:
            one = self._binned.get(measure.name, functools.partial(self._in_bins, measure.column))
            if one is not None:
                found.append(one.histogram(measure, mask))
        return found

    def _in_bins(self, column: str) -> Binned | None:
        return binned(self.store.column(column))

    def map_named(self, name: str) -> CorpusMap:
        """The map with this name. Raises SelectionError if there is none."""
        for one in self.maps:
            if one.name == name:
                return one
        raise SelectionError(f"there is no map {name[:40]!r}; make one with longtake map")

    def _of_topic(self, text: str) -> Mask:
        """The rows of a topic, which is given as in addresses: the name of its map, its number from 1."""
        name, _, number = text.partition(":")
        one = self.map_named(name)
        if not number.isascii() or not number.isdecimal() or not 0 < int(number[:9]) <= len(one.words):
            raise SelectionError(f"the map {name!r} has no topic {number[:20]!r}")
        return np.asarray(one.topic == int(number) - 1)

    def similar(self, selection: Selection) -> list[tuple[int, float]]:
        """The rows most similar to the sample or the text that a selection names, the best first, with their likeness. Raises
        SelectionError."""
        number = int(selection.top or TOP)
        if selection.near:
            name, _, key = selection.near.partition(":")
            space, row = self._space(name), self.store.row_of(key)
            if row is None:
                raise SelectionError(f"this corpus has no sample {key[:80]!r}")
            return self._similar.get(f"{number} {selection.near}", lambda: space.nearest(row, number))
        if self.meanings is None:
            raise SelectionError("search by meaning needs --config with coherence.model, and embeddings of sentences")
        meanings, space = self.meanings, self._space("sentences")
        return self._similar.get(
            f"{number} like {selection.like}", lambda: space.closest(meanings.vector(selection.like), number)
        )

    def _space(self, name: str) -> Space:
        for space in self.spaces:
            if space.name == name:
                return space
        raise SelectionError(f"there are no vectors {name[:40]!r} of this corpus")

    def _there(self, keys: Sequence[str]) -> Ids:
        """The rows of those keys that the corpus has."""
        return np.array([row for row in self.store.rows_of(keys) if row is not None], np.int32)

    def _for_review(self) -> list[int]:
        return [int(row) for row in self._there([one.key for one in self.sample_for_review() or ()])]

    def _dealt(self, selection: Selection) -> list[list[int]]:
        """The rows of the review and of the queue that a selection names, each in its order."""
        found = [self._for_review()] if selection.review else []
        return [*found, self._queued(selection)] if selection.queue else found

    def _masks(self, selection: Selection, dealt: Sequence[Sequence[int]], known: Named) -> list[Mask]:
        """The masks of a selection. `dealt` are the rows that it names in an order. `known` are the saved selections that were
        evaluated already, or that it is part of."""
        masks = self.store.rows_where(selection)
        text = self.store.rows_with(selection.text) if selection.text else None
        if text is not None:
            masks.append(text)
        if selection.condition:
            decided = self.seen(selection) if may_ask_decisions(selection.condition) else None
            name = f"sql {decided.version if decided else ''} {selection.condition}"
            rows = decided.rows if decided else None
            find = functools.partial(self.sandbox.rows_where, selection.condition, rows)
            masks.append(self.store.remembered(name, find))
        if selection.state:
            seen = self.seen(selection)
            masks.append(self.marks.rows_in(self.store, selection.state, selection.curator, seen))
        masks += [self.store.mask(rows) for rows in dealt]
        if selection.area:
            masks.append(self.store.remembered_mask(f"area {selection.area}", lambda: self.axes.within(selection.area)))
        if selection.near or selection.like:
            masks.append(self.store.mask([row for row, _ in self.similar(selection)]))
        if selection.topic:
            masks.append(self._of_topic(selection.topic))
        if selection.check:
            masks.append(self.store.mask(self._there(audit_checks.examples_of(self.layout, selection.check))))
        if selection.within:
            masks.append(evaluate(selection.within, lambda name: self._named(name, known)))
        return masks

    def _queued(self, selection: Selection) -> list[int]:
        """The rows of a queue in its order. Conflicts are those that the viewer may settle."""
        if selection.queue == CONFLICTS:
            mask = self.marks.rows_in(self.store, "conflict", "", self.seen(selection))
            return [int(row) for row in np.flatnonzero(mask)]
        keys = [one.key for one in self.queues().of(selection.queue)]
        return [row for row in self.store.rows_of(keys) if row is not None]


def _first(rows: Sequence[int], number: int) -> Ids:
    """All of `number` rows, these ones first."""
    rest = np.ones(number, bool)
    rest[list(rows)] = False
    return np.concatenate([np.array(rows, np.int32), np.flatnonzero(rest).astype(np.int32)])


def _axes_of(maps: Sequence[CorpusMap]) -> dict[Axis, Values]:
    """The axes of maps. Their names change when a map is computed again, because areas drawn on the old one mean nothing then."""
    found = {}
    for one in maps:
        for side, label, values in (("x", "across", one.x), ("y", "up", one.y)):
            found[Axis(f"map-{one.name}-{side}@{one.id}", f"Map by {one.name}, {label}")] = values
    return found


class Current:
    """True while the corpus is the one that was opened: text taken down since then must not be shown from the cache."""

    def __init__(self, layout: Layout, corpus: str) -> None:
        self._layout, self._corpus = layout, corpus
        self._tag, self._asked = "", -math.inf
        self._pause = _REMOTE_SECONDS if storage.is_remote(layout.root) else 0
        self._is = True

    def __bool__(self) -> bool:
        now = time.monotonic()
        if now - self._asked >= self._pause:
            self._asked = now
            try:
                tag = str(storage.size_and_tag(self._layout.manifest))
                if tag != self._tag:
                    self._is = corpus_digest(self._layout) == self._corpus
                    self._tag = tag
            except FileNotFoundError:
                self._is, self._tag = False, ""
        return self._is
