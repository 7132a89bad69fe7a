"""The data behind all pages: the corpus, its cache, the decisions, the sample for review."""

import functools
import hmac
import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from longtake.pipeline.audit.queues import CONFLICTS, QueueTable, queues_path, read_queues
from longtake.pipeline.audit.sampling import ReviewSample, read_sample
from longtake.pipeline.browse.cache import corpus_digest
from longtake.pipeline.browse.entries import Entries
from longtake.pipeline.browse.marks import DecisionTable, Marks
from longtake.pipeline.browse.sandbox import QueryError, Sandbox
from longtake.pipeline.browse.selection import Selection
from longtake.pipeline.browse.store import Ids, Mask, Store
from longtake.pipeline.browse.vectors import Space
from longtake.pipeline.browse.viewer import viewer
from longtake.pipeline.browse.watched_file import WatchedFile
from longtake.schemas import storage
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest

NOT_RUN = "not run yet, because it came with an address. Read it, then press Apply or Run."
_REMOTE_SECONDS = 10  # between two checks of a remote corpus.json


@dataclass(frozen=True)
class Site:
    """A corpus that is being browsed. `curator` is the default curator. If `is_blind`, a curator sees the verdicts of others on a
    subject only after an own one."""

    layout: Layout
    manifest: CorpusManifest
    store: Store
    marks: Marks
    spaces: Sequence[Space] = ()
    read_only: bool = False
    curator: str = ""
    is_blind: bool = True
    entries: Entries = field(init=False)
    current: "Current" = field(init=False)
    sandbox: Sandbox = field(init=False)
    queue_file: WatchedFile[QueueTable] = field(init=False)
    secret: bytes = field(init=False, default_factory=lambda: secrets.token_bytes(32), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", Entries(self.layout, self.store))
        object.__setattr__(self, "current", Current(self.layout, self.store.cache.corpus))
        object.__setattr__(self, "sandbox", Sandbox(self.store.cache))
        object.__setattr__(self, "queue_file", WatchedFile(queues_path(self.layout), read_queues))

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

        Raises QueryError for its SQL, SlowSearch, and ConfigError for an invalid file of decisions or sample for review.
        """
        masks, order = self.store.rows_where(selection), self.store.order(selection)
        text = self.store.rows_with(selection.text) if selection.text else None
        if text is not None:
            masks.append(text)
        if selection.condition:
            if not self.proves(selection.condition, selection.proof):
                raise QueryError(NOT_RUN)
            decided = self.seen(selection)
            name = f"sql {decided.version} {selection.condition}"
            find = functools.partial(self.sandbox.rows_where, selection.condition, decided.rows)
            masks.append(self.store.remembered(name, find))
        if selection.state:
            seen = self.seen(selection)
            masks.append(self.marks.rows_in(self.store, selection.state, selection.curator, seen))
        if selection.review:
            rows = self.store.rows_of([one.key for one in self.sample_for_review() or ()])
            own = [row for row in rows if row is not None]
            masks.append(self.store.mask(own))
            order = np.array(own, np.int32) if order is None else order
        if selection.queue:
            own = self._queued(selection)
            masks.append(self.store.mask(own))
            order = np.array(own, np.int32) if order is None else order
        return masks, order

    def _queued(self, selection: Selection) -> list[int]:
        """The rows of a queue in its order. Conflicts are those that the viewer may settle."""
        if selection.queue == CONFLICTS:
            mask = self.marks.rows_in(self.store, "conflict", "", self.seen(selection))
            return [int(row) for row in np.flatnonzero(mask)]
        keys = [one.key for one in self.queues().of(selection.queue)]
        return [row for row in self.store.rows_of(keys) if row is not None]


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
