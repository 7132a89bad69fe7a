"""Confidence limits for a share of a finite population, from a sample drawn without replacement."""

import math


def share_limits(found: float, reviewed: float, population: int, confidence: float) -> tuple[float, float]:
    """Two-sided limits of the share of `population` with a property, if `found` of `reviewed` have it.

    Clopper and Pearson (Biometrika 26, 1934) find limits in the binomial distribution. These use the hypergeometric one instead
    (Buonaccorsi, The American Statistician 41, 1987), which describes draws without replacement: a share lies within the limits
    if neither tail is rarer than half of 1 - `confidence`. They cover the true share at least as often as they claim, even with
    few or no findings, and are one point if all is reviewed. `found` and `reviewed` need not be whole, because effective
    numbers are not: `reviewed` is rounded down, and limits for `found` are interpolated between its whole neighbours.
    """
    size = min(max(math.floor(reviewed + 1e-9), 1), population)
    positive = min(found * size / reviewed, size) if reviewed else 0.0
    below, above = math.floor(positive + 1e-9), math.ceil(positive - 1e-9)
    part = positive - below if above > below else 0.0
    tail = (1 - confidence) / 2
    low = (1 - part) * _low(below, size, population, tail) + part * _low(above, size, population, tail)
    high = (1 - part) * _high(below, size, population, tail) + part * _high(above, size, population, tail)
    return low / population, high / population


def _high(found: int, size: int, population: int, tail: float) -> int:
    """The largest number in the population for which finding `found` or fewer is not too rare."""
    low, high = found, population - (size - found)  # the sample proves these bounds
    while low < high:
        middle = (low + high + 1) // 2
        if _at_most(found, size, middle, population) > tail:
            low = middle
        else:
            high = middle - 1
    return low


def _low(found: int, size: int, population: int, tail: float) -> int:
    """The smallest number in the population for which finding `found` or more is not too rare."""
    return population - _high(size - found, size, population, tail)


def _at_most(found: int, size: int, positive: int, population: int) -> float:
    """P(X <= found) for `size` draws without replacement from `population`, where `positive` members have the property."""
    if found >= min(size, positive):
        return 1.0
    if found < size - (population - positive):
        return 0.0
    if (
        found + 1
    ) * population > size * positive:  # above the mean, so take the other tail: members without the property
        return 1.0 - _tail(size - found - 1, size, population - positive, population)
    return _tail(found, size, positive, population)


def _tail(found: int, size: int, positive: int, population: int) -> float:
    """P(X <= found) for `found` up to the mean, so that each summand is smaller than the one before."""
    ways = _log_ways(positive, found) + _log_ways(population - positive, size - found) - _log_ways(population, size)
    mass = total = math.exp(ways)
    for k in range(found, 0, -1):
        mass *= k * (population - positive - size + k) / ((positive - k + 1) * (size - k + 1))
        if mass <= total * 1e-17:
            break
        total += mass
    return total


def _log_ways(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
