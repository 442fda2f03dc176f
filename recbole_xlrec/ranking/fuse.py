"""Fusion: the lists of several members become one list for each query, by rank or by score.

Every function is pure, takes any number of members over the same queries, and equals `ranx` where that has the method.
s is an item's normalised score in a member's list and r its rank there, from 1; sums run over the members that list the
item, and n is their number. An item is absent where no member lists it; one that a member lacks adds nothing there.

Of equal scores that item comes first which stands highest in any list, then the smaller code, so the order of the
members does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.ranking.lists import Lists, by_blocks, check_members
from recbole_xlrec.ranking.normalise import normalisation as normalise_by
from recbole_xlrec.ranking.union import Union, best_first, union

Values = NDArray[np.float64]
#: Scores (groups,) of the values (cells,) of each item, given where in them each begins and how many there are.
Combine = Callable[[Values, NDArray[np.int64], NDArray[np.int64]], Values]

THREADS = 2


def rrf(members: Sequence[Lists], k: int, *, constant: float = 60.0, workers: int = THREADS) -> Lists:
    """Reciprocal rank fusion: sum of 1 / (constant + r). Cormack, Clarke and Büttcher (2009), SIGIR.

    Args:
        members: Their lists; scores are not looked at.
        k: Length of the fused lists.
        constant: Above -1; the larger, the less the first ranks stand out.
        workers: Threads.
    """
    if constant <= -1:
        raise ConfigError(f"the constant of reciprocal rank fusion is above -1; found {constant}")
    return _by_rank(members, k, _sum, lambda found: 1 / (constant + found.columns + 1), workers)


def isr(members: Sequence[Lists], k: int, *, workers: int = THREADS) -> Lists:
    """Inverse square rank: n * sum of 1 / r². Mourão, Martins and Magalhães (2014), Comput. Med. Imaging Graph. 39."""
    return _by_rank(members, k, _times_count, lambda found: 1 / (found.columns + 1.0) ** 2, workers)


def round_robin(members: Sequence[Lists], k: int, *, workers: int = THREADS) -> Lists:
    """In turn each member's first item, then each one's second, and so on; what is there already is passed over.

    The order of the members is that of the turns. An item's score is 1 / (1 + the turns before it).
    """
    turns = len(members)
    return _by_rank(members, k, _most, lambda found: 1 / (found.columns * turns + found.members + 1), workers)


def comb_sum(members: Sequence[Lists], k: int, *, normalisation: str = "min_max", workers: int = THREADS) -> Lists:
    """CombSUM: sum of s. Fox and Shaw (1993), TREC-2."""
    return _by_score(members, k, _sum, normalisation, workers)


def comb_mnz(members: Sequence[Lists], k: int, *, normalisation: str = "min_max", workers: int = THREADS) -> Lists:
    """CombMNZ: n * sum of s. Fox and Shaw (1993), TREC-2."""
    return _by_score(members, k, _times_count, normalisation, workers)


def comb_anz(members: Sequence[Lists], k: int, *, normalisation: str = "min_max", workers: int = THREADS) -> Lists:
    """CombANZ: sum of s / n. Fox and Shaw (1993), TREC-2."""
    return _by_score(members, k, lambda s, starts, counts: _sum(s, starts, counts) / counts, normalisation, workers)


def comb_max(members: Sequence[Lists], k: int, *, normalisation: str = "min_max", workers: int = THREADS) -> Lists:
    """CombMAX: the largest s. Fox and Shaw (1993), TREC-2."""
    return _by_score(members, k, _most, normalisation, workers)


def comb_min(members: Sequence[Lists], k: int, *, normalisation: str = "min_max", workers: int = THREADS) -> Lists:
    """CombMIN: the least s. Fox and Shaw (1993), TREC-2."""
    return _by_score(members, k, lambda s, starts, _: np.minimum.reduceat(s, starts), normalisation, workers)


def comb_med(members: Sequence[Lists], k: int, *, normalisation: str = "min_max", workers: int = THREADS) -> Lists:
    """CombMED: the median of s, the mean of the middle two where n is even. Fox and Shaw (1993), TREC-2."""
    return _by_score(members, k, _median, normalisation, workers)


def weighted_sum(
    members: Sequence[Lists],
    k: int,
    *,
    weights: Sequence[float] | NDArray[np.float64],
    normalisation: str = "min_max",
    workers: int = THREADS,
) -> Lists:
    """Sum of weight * s: a linear combination of scores. Vogt and Cottrell (1999), Inf. Retr. 1(3).

    Args:
        members: Their lists.
        k: Length of the fused lists.
        weights: One of each member, finite.
        normalisation: A name in `NORMALISATIONS`.
        workers: Threads.

    Raises:
        ConfigError: The weights do not fit the members.
    """
    each = np.asarray(weights, dtype=np.float64)
    if each.shape != (len(members),) or not np.isfinite(each).all():
        raise ConfigError(f"{len(members)} members need as many finite weights; found {each.tolist()}")
    return _by_score(members, k, _sum, normalisation, workers, each)


def _by_rank(
    members: Sequence[Lists], k: int, combine: Combine, value: Callable[[Union], Values], workers: int
) -> Lists:
    """Fuses by values (width,) of the places alone."""
    check_members(members)

    def some(rows: slice) -> Lists:
        found = union([member.rows(rows) for member in members])
        fused = combine(found.gathered(value(found)), found.starts, found.counts())
        return best_first(found, fused, k)

    return by_blocks(some, len(members[0].items), k, _width(members), workers)


def _by_score(
    members: Sequence[Lists],
    k: int,
    combine: Combine,
    normalisation: str,
    workers: int,
    weights: Values | None = None,
) -> Lists:
    """Fuses by normalised scores, times each member's weight."""
    check_members(members)
    normalise = normalise_by(normalisation)

    def some(rows: slice) -> Lists:
        normalised = normalise([member.rows(rows) for member in members])
        found = union(normalised)
        scores = np.concatenate([member.scores for member in normalised], axis=1, dtype=np.float64)  # (rows, width)
        scores[~np.isfinite(scores)] = 0  # the empty places
        if weights is not None:
            scores *= np.repeat(weights, [member.items.shape[1] for member in normalised])
        return best_first(found, combine(found.gathered(scores), found.starts, found.counts()), k)

    return by_blocks(some, len(members[0].items), k, _width(members), workers)


def _width(members: Sequence[Lists]) -> int:
    return sum(member.items.shape[1] for member in members)


def _sum(values: Values, starts: NDArray[np.int64], _: NDArray[np.int64]) -> Values:
    return np.add.reduceat(values, starts)


def _times_count(values: Values, starts: NDArray[np.int64], counts: NDArray[np.int64]) -> Values:
    return np.add.reduceat(values, starts) * counts


def _most(values: Values, starts: NDArray[np.int64], _: NDArray[np.int64]) -> Values:
    return np.maximum.reduceat(values, starts)


def _median(values: Values, starts: NDArray[np.int64], counts: NDArray[np.int64]) -> Values:
    """Of values (cells,) sorted within each group; a group's middle one or two are then at known places."""
    groups = np.repeat(np.arange(len(starts)), counts)  # (cells,)
    ordered = values[np.lexsort((values, groups))]
    return (ordered[starts + (counts - 1) // 2] + ordered[starts + counts // 2]) / 2
