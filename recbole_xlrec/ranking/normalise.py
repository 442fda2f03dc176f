"""Normalisations: scores of different members made comparable, each list of each query apart.

They equal those of `ranx`, with one difference, said at `by_max`. n is the length of a list, r an item's rank from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.ranking.lists import EMPTY, Lists, Mask
from recbole_xlrec.ranking.union import union

#: A spread below this one is none: all scores of the list are the same.
SMALL = 1e-9

Normalise = Callable[[Sequence[Lists]], list[Lists]]
Each = Callable[[NDArray[np.float64], Mask], NDArray[np.float64]]


class Normalisation(NamedTuple):
    """A row of the table.

    Attributes:
        name: What it is called in a configuration.
        function: The members (the same queries) to members with float64 scores.
        formula: Of the new score.
        source: Where it comes from.
    """

    name: str
    function: Normalise
    formula: str
    source: str


def min_max(members: Sequence[Lists]) -> list[Lists]:
    """Scores from 0, the list's least, to 1, its largest; all 0 where they are all the same."""
    return [_each(member, _min_max) for member in members]


def by_max(members: Sequence[Lists]) -> list[Lists]:
    """Scores divided by the list's largest.

    Where that is not above 0, they are divided by the largest absolute score, and lie between -1 and 0. `ranx` divides
    by 1e-9 there, which makes numbers so large that no other member counts.
    """
    return [_each(member, _by_max) for member in members]


def by_sum(members: Sequence[Lists]) -> list[Lists]:
    """Scores from 0, the list's least, divided so that they sum to 1; all 0 where they are all the same."""
    return [_each(member, _by_sum) for member in members]


def z_score(members: Sequence[Lists]) -> list[Lists]:
    """Scores of mean 0 and variance 1; all 0 where they are all the same."""
    return [_each(member, _z_score) for member in members]


def rank(members: Sequence[Lists]) -> list[Lists]:
    """1 for the first item, falling evenly by rank; the scores do not matter."""
    return [_each(member, _rank) for member in members]


def borda(members: Sequence[Lists]) -> list[Lists]:
    """Borda's points over all items that any member lists, so lists become as long as there are such items.

    Of c candidates an item at rank r gets 1 - (r - 1) / c, and each that a list of n lacks gets 1/2 - (n - 1) / (2 c).
    """
    found = union(members)
    rows = np.repeat(np.arange(len(found.items)), found.items.shape[1])[found.starts]  # (groups,)
    held = found.items.ravel()[found.starts] >= 0
    candidates = np.bincount(rows[held], minlength=len(found.items))  # (rows,)
    every = found.items.ravel()[found.starts[held]]
    # Candidates as lists, to be those that a member lacks: a member's own come first there, in their order.
    place = np.arange(held.sum()) - np.repeat(np.cumsum(candidates) - candidates, candidates)
    widest = int(candidates.max(initial=1))
    pool = np.full((len(found.items), widest), EMPTY, dtype=np.int32)
    pool[rows[held], place] = every
    return [_borda(member, pool, candidates) for member in members]


def _borda(member: Lists, pool: NDArray[np.int32], candidates: NDArray[np.int64]) -> Lists:
    """The points of one member's items and, after them, of the others of the pool (rows, most candidates)."""
    both = union([member, Lists(pool, np.zeros(pool.shape, dtype=np.float32))])
    new = np.zeros(both.items.shape, dtype=bool)
    new.ravel()[both.starts] = np.minimum.reduceat(both.gathered(both.members), both.starts) == 1
    lacking = np.where(new, both.items, EMPTY)  # (rows, width)
    order = np.argsort(lacking < 0, axis=1, kind="stable")[:, : pool.shape[1]]
    items = np.concatenate([member.items, np.take_along_axis(lacking, order, axis=1)], axis=1)
    counts = member.present().sum(axis=1)[:, None]  # (rows, 1)
    total = np.maximum(candidates, 1)[:, None]
    columns = np.arange(items.shape[1])
    points = np.where(columns < member.items.shape[1], 1 - columns / total, 0.5 - (counts - 1) / (2 * total))
    joined = Lists(items, np.where(items >= 0, points, -np.inf))
    return joined.kept(joined.present()).top(pool.shape[1])


def _each(member: Lists, function: Each) -> Lists:
    """One member with scores by a function of (rows, k) scores, 0 where empty, and where there are items."""
    present = member.present()
    scores = np.where(present, member.scores, 0).astype(np.float64)
    return Lists(member.items, np.where(present, function(scores, present), -np.inf))


def _least(scores: NDArray[np.float64], present: Mask) -> NDArray[np.float64]:
    return scores.min(axis=1, keepdims=True, where=present, initial=np.inf)


def _most(scores: NDArray[np.float64], present: Mask) -> NDArray[np.float64]:
    return scores.max(axis=1, keepdims=True, where=present, initial=-np.inf)


def _min_max(scores: NDArray[np.float64], present: Mask) -> NDArray[np.float64]:
    some = np.where(present.any(axis=1, keepdims=True), _least(scores, present), 0)
    spread = np.where(present.any(axis=1, keepdims=True), _most(scores, present), 0) - some
    return (scores - some) / np.maximum(spread, SMALL)


def _by_max(scores: NDArray[np.float64], present: Mask) -> NDArray[np.float64]:
    most, largest = _most(scores, present), np.abs(scores).max(axis=1, keepdims=True, initial=0)
    return scores / np.maximum(np.where(most > SMALL, most, largest), SMALL)


def _by_sum(scores: NDArray[np.float64], present: Mask) -> NDArray[np.float64]:
    least = np.where(present.any(axis=1, keepdims=True), _least(scores, present), 0)
    above = np.where(present, scores - least, 0)
    return above / np.maximum(above.sum(axis=1, keepdims=True), SMALL)


def _z_score(scores: NDArray[np.float64], present: Mask) -> NDArray[np.float64]:
    counts = np.maximum(present.sum(axis=1, keepdims=True), 1)
    centred = scores - scores.sum(axis=1, keepdims=True) / counts
    deviation = np.sqrt((centred**2).sum(axis=1, keepdims=True, where=present) / counts)
    return centred / np.maximum(deviation, SMALL)


def _rank(scores: NDArray[np.float64], present: Mask) -> NDArray[np.float64]:
    return 1 - np.arange(scores.shape[1]) / np.maximum(present.sum(axis=1, keepdims=True), 1)


_LEE = "Lee (1997), Analyses of multiple evidence combination, SIGIR"
_MONTAGUE = "Montague and Aslam (2001), Relevance score normalization for metasearch, CIKM"
_RENDA = "Renda and Straccia (2003), Web metasearch: rank vs. score based rank aggregation methods, SAC"

NORMALISATIONS: dict[str, Normalisation] = {
    row.name: row
    for row in (
        Normalisation("none", list, "s", "the members' own scores"),
        Normalisation("min_max", min_max, "(s - min) / (max - min)", _LEE),
        Normalisation("max", by_max, "s / max", _LEE),
        Normalisation("sum", by_sum, "(s - min) / sum of (s - min)", _MONTAGUE),
        Normalisation("z_score", z_score, "(s - mean) / standard deviation", _MONTAGUE),
        Normalisation("rank", rank, "1 - (r - 1) / n", _RENDA),
        Normalisation("borda", borda, "1 - (r - 1) / c, or 1/2 - (n - 1) / (2 c) where not listed", _RENDA),
    )
}


def normalisation(name: str) -> Normalise:
    """The function of a name in `NORMALISATIONS`.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in NORMALISATIONS:
        known = ", ".join(NORMALISATIONS)
        raise ConfigError(f"no normalisation is named {name!r}.{did_you_mean(name, NORMALISATIONS)} There are: {known}")
    return NORMALISATIONS[name].function
