"""Groups of neighbours, and epochs made of them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from longtake.library.neighbours import SCALE, WIDEST, neighbourhoods, whole_numbers
from longtake.library.order import Order, usable_places


def stories(samples: int, of_each: int, seed: int = 0) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Vectors of samples around some centres, mixed, and which centre each has."""
    rng = np.random.default_rng(seed)
    own = rng.permutation(np.arange(samples) // of_each)
    centres = rng.normal(size=(samples // of_each + 1, 24))
    return whole_numbers((centres[own] + 0.3 * rng.normal(size=(samples, 24))).astype(np.float32)), own


@pytest.mark.parametrize(("samples", "size"), [(64, 16), (61, 8), (7, 3), (5, 8), (9, 1)])
def test_each_sample_is_in_one_group_at_most_and_few_are_in_none(samples: int, size: int) -> None:
    vectors, _ = stories(samples, 4)
    groups, rest = neighbourhoods(vectors, size, np.random.default_rng(1))
    assert groups.shape == (samples // size, size) and len(rest) == samples % size
    assert sorted([*groups.flatten(), *rest]) == list(range(samples))
    again, same_rest = neighbourhoods(vectors, size, np.random.default_rng(1))
    assert np.array_equal(groups, again) and np.array_equal(rest, same_rest)
    other, _ = neighbourhoods(vectors, size, np.random.default_rng(2))
    assert samples < size or not np.array_equal(groups, other)


def test_vectors_of_any_length_become_whole_numbers() -> None:
    vectors = np.array([[3e38, 3e38], [0, -1e-30], [0, 0]], np.float32)
    assert whole_numbers(vectors).tolist() == [[round(SCALE / 2**0.5)] * 2, [0, -SCALE], [0, 0]]


def test_a_group_is_taken_from_the_nearest_that_are_free() -> None:
    """Against whole numbers and a sort for each group."""
    vectors, _ = stories(120, 10)
    groups, _ = neighbourhoods(vectors, 6, np.random.default_rng(3))
    exact = [[sum(int(a) * int(b) for a, b in zip(x, y, strict=True)) for y in vectors] for x in vectors]
    free = set(range(120))
    for first, *others in groups.tolist():
        free.remove(first)
        nearest = sorted(free, key=lambda one, first=first: (-exact[first][one], one))[:12]
        assert set(others) <= set(nearest)
        free -= set(others)


def test_dot_products_are_exact_at_the_largest_width() -> None:
    rng = np.random.default_rng(0)
    for signs in (1, rng.choice([-1, 1], (3, WIDEST))):
        vectors = whole_numbers((signs * (0.5 / SCALE + np.full((3, WIDEST), WIDEST**-0.5))).astype(np.float32))
        exact = vectors.astype(np.int64) @ vectors.astype(np.int64).T
        assert np.abs(exact).max() < 2**24
        for order in (slice(None), rng.permutation(WIDEST)):
            points = vectors[:, order].astype(np.float32)
            assert np.array_equal(points @ points.T, exact)
    assert not whole_numbers(np.zeros((2, 3), np.float32)).any()


def epoch(order: Order, number: int) -> list[list[tuple[int, ...]]]:
    return [[tuple(place) for place in order.ticket(number, n).places] for n in range(order.batches)]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_batches_hold_neighbours_and_an_epoch_no_sample_twice(ranks: int) -> None:
    vectors, own = stories(240, 60)
    story = {divmod(n, 60): one for n, one in enumerate(own)}
    plain = Order(usable_places([np.full(60, 4, np.int32)] * 4, 4), 4, 6, 0, ranks, 5, 2, training=True)

    def alike(order: Order) -> float:
        """The share of pairs in a batch of a rank that tell one story."""
        pairs = []
        for rank in range(ranks):
            for batch in epoch(replace(order, rank=rank), 1):
                told = np.array([story[place] for place in batch])
                pairs.append(((told[:, None] == told).sum() - 6) / 30)
        return float(np.mean(pairs))

    related = replace(plain, vectors=vectors)
    assert alike(plain) < 0.3 and alike(related) > 0.7
    for number in range(3):
        seen = [
            place for rank in range(ranks) for batch in epoch(replace(related, rank=rank), number) for place in batch
        ]
        assert len(seen) == len(set(seen)) == 240 // ranks // 6 * ranks * 6
    assert epoch(related, 0) != epoch(related, 1) and epoch(related, 1) == epoch(replace(related), 1)


def test_pools_that_leave_samples_over_do_not_shift_the_groups_of_later_ones() -> None:
    lengths = [np.full(n, 4, np.int32) for n in (13, 17, 11, 22)]
    vectors, _ = stories(63, 5)
    order = Order(usable_places(lengths, 4), 4, 4, 0, 1, 0, 1, training=True, vectors=vectors)
    batches = epoch(order, 0)
    assert len(batches) == 15 and len({place for batch in batches for place in batch}) == 60
    mixed = [len({shard for shard, _ in batch}) > 1 for batch in batches]
    assert not any(mixed[:13]) and order.permutation(0).tolist() != order.permutation(1).tolist()
    for ranks in (2, 4):  # other numbers of ranks share these batches
        shared = [replace(order, batch_size=4 // ranks, rank=rank, ranks=ranks, lanes=1) for rank in range(ranks)]
        joined = [[*itertools.chain(*parts)] for parts in zip(*(epoch(one, 0) for one in shared), strict=True)]
        assert joined == batches
