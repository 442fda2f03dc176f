"""The numbers of a profile as pure functions of integer codes and counts; nothing here loops over interactions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Bars = tuple[tuple[str, int], ...]

_MONTH_DAYS, _YEAR_DAYS = 92, 4 * 366


@dataclass(frozen=True)
class Spread:
    """How a count is spread: its least, median, mean, 90 % quantile and greatest value."""

    least: float
    median: float
    mean: float
    p90: float
    most: float


def spread(values: Array) -> Spread:
    """The spread of some numbers, of which there is at least one; quantiles are interpolated.

    Example:
        >>> spread(np.array([1, 2, 6]))
        Spread(least=1.0, median=2.0, mean=3.0, p90=5.2, most=6.0)
    """
    median, p90 = np.quantile(values, [0.5, 0.9])
    return Spread(float(values.min()), float(median), float(values.mean()), round(float(p90), 9), float(values.max()))


def gini(counts: Array) -> float:
    """The Gini coefficient: 0 where all counts are equal, near 1 where one has everything.

    It is ``2 * sum(i * x_i) / (n * sum(x)) - (n + 1) / n`` over the counts in ascending order, i from 1.
    """
    ascending = np.sort(counts).astype(np.float64)
    n = len(ascending)
    return float(2 * (np.arange(1, n + 1) * ascending).sum() / (n * ascending.sum()) - (n + 1) / n)


def top_share(counts: Array, percent: int) -> float:
    """The share of the total that the greatest `percent` of the counts hold; at least one count is taken."""
    taken = max(1, -(-len(counts) * percent // 100))
    return float(np.sort(counts)[-taken:].sum() / counts.sum())


def concentration(counts: Array) -> tuple[float, ...]:
    """The share of the total held by the greatest 0, 1, … 100 % of the counts, rounded to whole counts: 101 numbers."""
    held = np.concatenate([[0], np.cumsum(np.sort(counts)[::-1])])
    return tuple((held[np.round(np.linspace(0, len(counts), 101)).astype(np.int64)] / held[-1]).tolist())


def groups_met(keys: Array, groups: Array, key_count: int, group_count: int) -> Array:
    """How many different groups each key occurs with, (key_count,); group 0 counts for nothing.

    One pass a group keeps the memory at one number a key, whatever the number of groups.
    """
    met = np.zeros(key_count, dtype=np.int16)
    for group in range(1, group_count):
        met += np.bincount(keys[groups == group], minlength=key_count) > 0
    return met


def majority(keys: Array, groups: Array, key_count: int, group_count: int) -> Array:
    """The group each key occurs with most, (key_count,); of equals the first, and group 0 only where there is no other.

    Example:
        >>> majority(np.array([0, 0, 0, 1]), np.array([2, 1, 2, 0]), key_count=2, group_count=3).tolist()
        [2, 0]
    """
    best = np.zeros(key_count, dtype=np.int64)
    winner = np.zeros(key_count, dtype=np.int16)
    for group in range(1, group_count):
        count = np.bincount(keys[groups == group], minlength=key_count)
        winner[count > best] = group
        best = np.maximum(best, count)
    return winner


def distinct_pairs(left: Array, right: Array) -> int:
    """How many different (left, right) pairs of codes there are; the product of their ranges must fit 63 bits."""
    keys = left.astype(np.int64) * (int(right.max()) + 1) + right
    keys.sort()
    return 1 + int((keys[1:] != keys[:-1]).sum())


def tied_share(users: Array, times: Array) -> float:
    """The share of interactions that happened at the same time as another one of the same user; NaN times never do."""
    known = ~np.isnan(times)
    if not known.any():
        return 0.0
    keys = _time_codes(times[known], int(users.max()) + 1)
    keys += users[known].astype(np.int64) * (int(keys.max()) + 1)
    keys.sort()
    same = np.concatenate([[False], keys[1:] == keys[:-1], [False]])
    return float((same[1:] | same[:-1]).sum() / len(times))


def _time_codes(times: Array, users: int) -> Array:
    """Integers that are equal where the times are; whole seconds are used as they are, which spares a hash table."""
    passed = times - times.min()
    if passed.max() * users < 2**62 and (passed == np.floor(passed)).all():
        return passed.astype(np.int64)
    return np.unique(times, return_inverse=True)[1].astype(np.int64)


def length_bars(lengths: Array) -> Bars:
    """How many lengths, each at least 1, lie in 1, 2–3, 4–7, 8–15 …: each bar twice as wide as the one before.

    Example:
        >>> length_bars(np.array([1, 2, 3, 9]))
        (('1', 1), ('2–3', 2), ('4–7', 0), ('8–15', 1))
    """
    counts = np.bincount(np.frexp(lengths)[1] - 1)
    names = ["1", *(f"{1 << place}–{(2 << place) - 1}" for place in range(1, len(counts)))]
    return tuple(zip(names, counts.tolist(), strict=True))


def value_bars(values: Array, most: int = 12) -> Bars:
    """How often each finite value occurs, in ten equal steps where there are more than `most` values."""
    found, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    if len(found) <= most:
        return tuple((f"{value:g}", int(count)) for value, count in zip(found, counts, strict=True))
    steps, edges = np.histogram(found, bins=10, weights=counts)
    names = [f"{low:.3g}–{high:.3g}" for low, high in pairwise(edges)]
    return tuple((name, int(count)) for name, count in zip(names, steps, strict=True))


def time_bars(times: Array) -> Bars:
    """How many of these UTC seconds lie in each day, month or year, whichever suits their span; gaps are zero."""
    days = float(times.max() - times.min()) / 86400
    unit = "D" if days <= _MONTH_DAYS else "M" if days <= _YEAR_DAYS else "Y"
    places = times.astype("datetime64[s]").astype(f"datetime64[{unit}]")
    first = places.min()
    counts = np.bincount((places - first).astype(np.int64))
    return tuple((str(first + place), int(count)) for place, count in enumerate(counts))
