"""The order of an epoch: equal ranks while training, no sample lost or doubled, the same from the seed alone."""

import numpy as np
import pytest

from longtake.library.order import Order, usable_places


def order(samples: int, rank: int = 0, ranks: int = 1, training: bool = True, **changes: int) -> Order:
    """Shards of seven samples each."""
    lengths = [np.full(min(7, samples - first), 4, np.int32) for first in range(0, samples, 7)]
    settings = {"batch_size": 3, "seed": 5, "shuffle_shards": 2, **changes}
    return Order(usable_places(lengths, 4), len(lengths), rank=rank, ranks=ranks, training=training, **settings)


def epoch_of(one: Order, epoch: int) -> list[list[tuple[int, ...]]]:
    return [[tuple(place) for place in one.ticket(epoch, n).places.tolist()] for n in range(one.batches)]


@pytest.mark.parametrize(("samples", "ranks"), [(12, 4), (47, 4), (48, 4), (59, 1), (61, 5)])
def test_training_gives_every_rank_equally_many_whole_batches_and_no_sample_twice(samples: int, ranks: int) -> None:
    parts = [order(samples, rank, ranks) for rank in range(ranks)]
    assert len({part.batches for part in parts}) == 1
    for epoch in range(3):
        batches = [batch for part in parts for batch in epoch_of(part, epoch)]
        assert {len(batch) for batch in batches} == {3}
        seen = [place for batch in batches for place in batch]
        assert len(seen) == len(set(seen)) == samples - parts[0].left_over
    assert 0 <= parts[0].left_over < ranks * 3


@pytest.mark.parametrize(("samples", "ranks"), [(1, 4), (12, 4), (47, 4), (59, 1), (61, 7)])
def test_evaluation_reads_every_sample_once_over_all_ranks(samples: int, ranks: int) -> None:
    parts = [order(samples, rank, ranks, training=False) for rank in range(ranks)]
    seen = [place for part in parts for batch in epoch_of(part, 0) for place in batch]
    assert seen == [(n // 7, n % 7) for n in range(samples)]


def test_order_follows_from_seed_and_epoch_alone() -> None:
    first = epoch_of(order(60), 4)
    other = order(60)
    epoch_of(other, 9)  # what was asked before has no influence
    assert epoch_of(other, 4) == first
    assert epoch_of(order(60), 5) != first
    assert epoch_of(order(60, seed=6), 4) != first


def test_what_an_epoch_leaves_out_changes_so_that_every_sample_is_used() -> None:
    one = order(23, ranks=4)
    unused = [set(range(23)) - set(one.permutation(epoch)[:20].tolist()) for epoch in range(20)]
    assert len(set.union(*unused)) > 15
    assert not set.intersection(*unused)


def test_samples_are_shuffled_among_neighbouring_shards_and_not_beyond() -> None:
    shards = order(70, shuffle_shards=2).usable[order(70).permutation(0)][:, 0]
    for first in range(0, 70, 14):
        assert len(set(shards[first : first + 14].tolist())) == 2
        assert len(set(shards[first : first + 7].tolist())) == 2  # mixed, not one after the other
    assert shards[0::14].tolist() != sorted(shards[0::14].tolist())


def test_spares_are_other_samples_of_the_same_rank() -> None:
    for rank in range(2):
        one = order(60, rank, 2)
        own = {tuple(place) for place in one.share(1).tolist()}
        for number in range(one.batches):
            ticket = one.ticket(1, number)
            batch, spares = ({tuple(p) for p in places.tolist()} for places in (ticket.places, ticket.spares))
            assert len(spares) == len(ticket.spares) == 14
            assert spares <= own - batch
    assert not len(order(60, training=False).ticket(0, 0).spares)


def test_samples_of_too_few_sentences_have_no_place() -> None:
    lengths = [np.array([4, 3, 5], np.int32), np.array([2], np.int32), np.array([1, 9], np.int32)]
    assert usable_places(lengths, 4).tolist() == [[0, 0], [0, 2], [2, 1]]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="too few for a batch on every rank: 12"):
        order(11, ranks=4)
    with pytest.raises(ValueError, match="rank 4 of 4"):
        order(60, rank=4, ranks=4)
    with pytest.raises(IndexError):
        order(60).ticket(0, 20)
    with pytest.raises(ValueError, match="seed"):
        order(60, seed=-1)
