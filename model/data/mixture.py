"""Several corpora in one training: each batch comes from one of them, drawn by weight."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from longtake.library.order import Order
from longtake.model.data.loader import LoaderSettings, ShardLoader
from longtake.model.data.samples import Batch


class Mixture:
    """Loaders in one stream. The seed and the number of the batch decide its corpus, the same on every rank.

    Each loader goes through epochs of its own. An epoch of the mixture has as many batches as one of the first loader takes on
    average. The state has the number of batches and the states of the loaders, so a resumed training reads the same batches.
    """

    def __init__(self, loaders: Sequence[ShardLoader], weights: Sequence[float], seed: int) -> None:
        self.loaders, self.seed, self.batches = tuple(loaders), seed, 0
        self.shares = [weight / sum(weights) for weight in weights]

    def __len__(self) -> int:
        """Return the number of batches in which the first corpus is read once, on average."""
        return max(1, round(len(self.loaders[0]) / self.shares[0]))

    @property
    def settings(self) -> LoaderSettings:
        """The settings of the first loader."""
        return self.loaders[0].settings

    @property
    def order(self) -> Order:
        """The order of the first loader."""
        return self.loaders[0].order

    @property
    def counts(self) -> Counter[str]:
        """Samples delivered, damaged and filled in, of all loaders."""
        return sum((loader.counts for loader in self.loaders), Counter())

    def chosen(self, number: int) -> int:
        """Return which loader gives batch `number` (from 0)."""
        drawn = np.random.default_rng([self.seed, number]).random()
        ends = accumulate(self.shares[:-1])
        return sum(drawn >= end for end in ends)

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end. A yielded batch counts as done. Raises LoaderError."""
        streams = [_endless(loader) for loader in self.loaders]
        while True:
            batch = next(streams[self.chosen(self.batches)])
            self.batches += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return where the loaders stand."""
        states = [loader.state_dict() for loader in self.loaders]
        return {"batches": self.batches, "shares": self.shares, "loaders": states}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state. Raises ValueError if corpora, weights or settings would give other batches."""
        if state.get("shares") != self.shares:
            raise ValueError(f"data.mix: shares of the corpora were {state.get('shares')}, are {self.shares}")
        for loader, one in zip(self.loaders, state["loaders"], strict=True):
            loader.load_state_dict({**one, "counts": {}})
        self.batches = int(state["batches"])


def _endless(loader: ShardLoader) -> Iterator[Batch]:
    while True:
        yield from loader
