"""The order of samples in an epoch, cut into batches for every rank.

The numbers of samples in the shards, the seed and the epoch decide everything. So every rank computes the same order without
the others, and knows any batch of any epoch without reading the batches before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from longtake.library.neighbours import neighbourhoods
from longtake.schemas.errors import ArgumentError

Places = NDArray[np.int32]  # (n, 2): number of the shard, position in it; (n, 3) with the item of its task


class Ticket(NamedTuple):
    """A request for one batch."""

    epoch: int
    number: int  # of the batch in the rank's epoch
    places: Places  # the samples
    spares: Places  # further samples, to fill the places of damaged ones; none in an evaluation


@dataclass(frozen=True, eq=False)
class Order:
    """The samples of a split, and their order on each rank.

    Training: shards are shuffled, then the samples of each `shuffle_shards` consecutive shards. The epoch is cut into `ranks`
    stretches of equal length, and each stretch into whole batches. The rest, fewer than `ranks * batch_size` samples, is not
    used in that epoch. No sample comes twice. With `vectors`, the samples of these shards are not shuffled one by one:
    a batch is a group of neighbours, and the groups are shuffled. What is left of each pool comes last.
    Evaluation: the order of the corpus, cut into stretches that differ by one sample at most. Every sample comes once.
    """

    usable: Places  # in the order of the corpus
    shards: int
    batch_size: int
    rank: int
    ranks: int
    seed: int
    shuffle_shards: int
    training: bool
    # In training the epoch is cut for so many ranks. Other numbers of ranks, with the same `ranks * batch_size`, share the same
    # batches: None is for as many as there are.
    lanes: int | None = None
    vectors: NDArray[np.int16] | None = None  # of each usable sample, from neighbours.whole_numbers
    _orders: dict[int, Places] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.ranks:
            raise ValueError(f"rank {self.rank} of {self.ranks}")
        if self.lanes is not None and (
            not self.training or self.lanes < 1 or self.ranks * self.batch_size % self.lanes
        ):
            raise ValueError(f"{self.ranks} x {self.batch_size} samples cannot be cut as for {self.lanes} ranks")
        if self.batch_size < 1 or self.shuffle_shards < 1 or self.seed < 0:
            raise ValueError("batch_size and shuffle_shards must be at least 1, seed at least 0")
        if self.training and not self.batches:
            needed = self.ranks * self.batch_size
            raise ArgumentError(
                "batch_size",
                f"{len(self.usable)} usable samples are too few for a batch on every rank: {needed} needed. "
                "Lower batch_size",
            )
        if self.vectors is not None and self._pool < self._lane_batch:
            raise ArgumentError(
                "shuffle_shards",
                f"related: {self.shuffle_shards} shards have some {self._pool} samples, fewer than a batch of "
                f"{self._lane_batch}, so no batch could hold related ones. Raise shuffle_shards",
            )

    @property
    def batches(self) -> int:
        """Number of batches of this rank in an epoch; in training, of every rank."""
        if self.training:
            return len(self.usable) // self.ranks // self.batch_size
        return -(-self.own // self.batch_size)

    @property
    def most_batches(self) -> int:
        """Number of batches in an epoch of the rank that has most."""
        longest = -(-len(self.usable) // self.ranks)
        return self.batches if self.training else -(-longest // self.batch_size)

    @property
    def own(self) -> int:
        """Number of samples of this rank in an epoch."""
        return self._end - self._start

    @property
    def left_over(self) -> int:
        """Number of usable samples that an epoch does not reach."""
        return len(self.usable) - self.ranks * self.batches * self.batch_size if self.training else 0

    @property
    def _start(self) -> int:
        return self._cut(self.rank)

    @property
    def _end(self) -> int:
        return self._cut(self.rank + 1)

    def _cut(self, rank: int) -> int:
        if not self.training:
            return rank * len(self.usable) // self.ranks
        share = len(self.usable) // (self.lanes or self.ranks)
        # Groups of neighbours are not cut.
        return rank * (share if self.vectors is None else share // self._lane_batch * self._lane_batch)

    @property
    def _lane_batch(self) -> int:
        return self.ranks * self.batch_size // (self.lanes or self.ranks)

    @property
    def _pool(self) -> int:
        """Number of samples among which neighbours are sought, on average."""
        return len(self.usable) * min(self.shuffle_shards, self.shards) // self.shards

    def share(self, epoch: int, lane: int | None = None) -> Places:
        """Return the samples of this rank in the order of an epoch; in training, of a stretch of the epoch."""
        lane = self.rank if lane is None else lane
        return self._in_order(epoch)[self._cut(lane) : self._cut(lane + 1)]

    def _in_order(self, epoch: int) -> Places:
        """Return all samples in the order of an epoch. It is kept until another is asked for."""
        if epoch not in self._orders:
            self._orders.clear()  # one epoch at a time: a large corpus has millions of samples
            self._orders[epoch] = self.usable[self.permutation(epoch)]
        return self._orders[epoch]

    def ticket(self, epoch: int, number: int) -> Ticket:
        """Return the ticket for batch `number` (from 0) of an epoch, without samples if only other ranks have so many.

        Raises IndexError after the last batch.
        """
        if not 0 <= number < self.most_batches:
            raise IndexError(f"batch {number} of {self.most_batches}")
        if not self.training:
            share, first = self.share(epoch), number * self.batch_size
            return Ticket(epoch, number, share[first : first + self.batch_size], share[:0])
        # The batch of all ranks is that of all lanes, one after the other. This rank has its part of it.
        size = self._lane_batch
        begin, end = self.rank * self.batch_size, (self.rank + 1) * self.batch_size
        places, spares = [], []
        for lane in range(begin // size, -(-end // size)):
            batch, spare = self._of_lane(epoch, number, lane, size)
            places.append(batch[max(0, begin - lane * size) : end - lane * size])
            spares.append(spare)
        return Ticket(epoch, number, np.concatenate(places), np.concatenate(spares))

    def _of_lane(self, epoch: int, number: int, lane: int, size: int) -> tuple[Places, Places]:
        """Return batch and spares of a lane."""
        share, first = self.share(epoch, lane), number * size
        batch = share[first : first + size]
        if self.vectors is not None:  # stretches of whole batches: what no batch has may fill a place, too
            share = np.concatenate([share, self._in_order(epoch)[self._cut(self.lanes or self.ranks) :]])
        others = len(share) - size
        rng = np.random.default_rng([self.seed, epoch, lane, number])
        drawn = rng.choice(others, min(others, 2 * size + 8), replace=False) if others else np.zeros(0, int)
        drawn[drawn >= first] += size  # none of them is in the batch
        return batch, share[drawn]

    def permutation(self, epoch: int) -> NDArray[np.int64]:
        """Return the numbers of the usable samples in the order of an epoch, the same on all ranks."""
        shards = self.usable[:, 0]
        if not self.training:
            return np.arange(len(shards))
        rng = np.random.default_rng([self.seed, epoch])
        starts = np.searchsorted(shards, np.arange(self.shards + 1))
        shuffled = rng.permutation(self.shards)
        parts, left = [], []
        for first in range(0, len(shuffled), self.shuffle_shards):
            among = shuffled[first : first + self.shuffle_shards]
            pool = np.concatenate([np.arange(starts[s], starts[s + 1]) for s in among])
            if self.vectors is None:
                parts.append(rng.permutation(pool))
            else:
                groups, rest = neighbourhoods(self.vectors[pool], self._lane_batch, rng)
                parts.append(pool[rng.permutation(groups)].flatten())
                left.append(pool[rest])
        return np.concatenate([*parts, *left])


def usable_places(sentences: Sequence[NDArray[np.int32]], least: int) -> Places:
    """Return the samples with at least `least` sentences. `sentences` has the counts of each shard, in order of position."""
    parts = []
    for shard, numbers in enumerate(sentences):
        position = np.flatnonzero(numbers >= least)
        parts.append(np.stack([np.full_like(position, shard), position], axis=1))
    return np.concatenate(parts).astype(np.int32) if parts else np.zeros((0, 2), np.int32)
