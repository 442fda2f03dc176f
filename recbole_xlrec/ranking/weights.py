"""Weights of a weighted sum, chosen for the NDCG@k of validation rankings.

NDCG only changes where two items change places, so it has no slope to follow: the searches try weights. All start from
equal weights and from each member alone, so what they find is never worse on the validation than the best member. They
draw nothing at random but the queries, of a fixed seed, where there are too many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.ranking.align import Aligned
from recbole_xlrec.ranking.leakage import refuse_judged
from recbole_xlrec.ranking.lists import Lists, blocks, check_length, check_members
from recbole_xlrec.ranking.normalise import normalisation as normalise_by
from recbole_xlrec.ranking.ranking import Ranking
from recbole_xlrec.ranking.union import union

#: Weights of a grid on the simplex are multiples of 1 / STEPS.
STEPS = 10
#: So many points of a grid take minutes.
MOST_POINTS = 5000
#: How much a move must gain; less is a difference of rounding.
GAIN = 1e-9

Weights = NDArray[np.float64]
Value = Callable[[Weights], float]


class Fitted(NamedTuple):
    """Weights that were found.

    Attributes:
        weights: (members,), 0 or more, summing to 1.
        value: NDCG@k of the validation queries under them.
        tried: How many weights were tried.
    """

    weights: Weights
    value: float
    tried: int


class Search(NamedTuple):
    """A row of the table of searches: its function tries weights, (value, members, best so far) -> None."""

    name: str
    function: Callable[[_Tries], None]
    what: str
    source: str


def fit_weights(
    validation: Aligned,
    k: int,
    *,
    evaluation: Ranking | None,
    search: str = "coordinate",
    normalisation: str = "min_max",
    queries: int = 20_000,
) -> Fitted:
    """Finds the weights of `fuse.weighted_sum` for validation rankings.

    Args:
        validation: Lists of the members and targets of validation queries.
        k: Cut-off of NDCG.
        evaluation: A ranking of what the fusion will be judged by, to make sure that nothing of it is fitted on; None
            where nothing will be.
        search: A name in `SEARCHES`.
        normalisation: As it will be fused with.
        queries: The most queries with a listed target to look at; where there are more, so many are drawn.

    Raises:
        ConfigError: There is no such search, or a grid of too many points.
        DataError: No target is listed by any member, or the validation holds what is judged.
    """
    check_length(k)
    check_members(validation.members)
    refuse_judged(validation, evaluation)
    if search not in SEARCHES:
        known = ", ".join(SEARCHES)
        raise ConfigError(f"no search is named {search!r}.{did_you_mean(search, SEARCHES)} There are: {known}")
    tries = _Tries(_ndcg(_evidence(validation, normalisation, queries), k), len(validation.members))
    SEARCHES[search].function(tries)
    return Fitted(tries.best, tries.value, tries.count)


class _Tries:
    """What was tried: weights are scaled to sum to 1, and of equal values the first stays the best."""

    def __init__(self, value: Value, members: int) -> None:
        self._value, self.members = value, members
        self.best: Weights = np.full(members, 1 / members)
        self.value, self.count = -np.inf, 0
        self.corners = np.eye(members)
        for weights in (self.best, *self.corners):
            self(weights)

    def __call__(self, weights: Weights) -> float:
        weights = np.abs(weights)
        weights = weights / weights.sum() if weights.sum() > 0 else np.full(self.members, 1 / self.members)
        value = self._value(weights)
        self.count += 1
        if value > self.value + GAIN:
            self.best, self.value = weights, value
        return value


def _grid(tries: _Tries) -> None:
    """All weights that are multiples of 1 / STEPS: bars among stars."""
    places = STEPS + tries.members - 1
    points = comb(places, tries.members - 1)
    if points > MOST_POINTS:
        raise ConfigError(
            f"a grid for {tries.members} members has {points} points: search by coordinate or nelder_mead"
        )
    for bars in combinations(range(places), tries.members - 1):
        edges = np.array([-1, *bars, places])
        tries((np.diff(edges) - 1) / STEPS)


def _coordinate(tries: _Tries) -> None:
    """Moves the weights towards and away from one member after the other, by smaller and smaller steps."""
    for step in (0.4, 0.2, 0.1, 0.05, 0.02):
        before = -np.inf
        while tries.value > before + GAIN:
            before = tries.value
            for corner in tries.corners:
                start = tries.best
                tries(start + step * (corner - start))
                tries(np.where(corner > 0, start * (1 - step), start))


def _nelder_mead(tries: _Tries) -> None:
    """Nelder and Mead's simplex, begun at the best of the starts and half-way from it to each member alone."""
    from scipy.optimize import minimize

    start = np.vstack(
        [tries.best, *((tries.best + 2 * corner) / 3 for corner in tries.corners)]
    )  # (members + 1, members)
    minimize(
        lambda weights: -tries(weights),
        tries.best,
        method="Nelder-Mead",
        options={"initial_simplex": start, "maxfev": 200 * tries.members, "xatol": 1e-3, "fatol": 1e-6},
    )


SEARCHES: dict[str, Search] = {
    row.name: row
    for row in (
        Search("grid", _grid, f"all multiples of 1/{STEPS} that sum to 1", "exhaustive"),
        Search(
            "coordinate", _coordinate, "one member after the other, in smaller and smaller steps", "coordinate ascent"
        ),
        Search("nelder_mead", _nelder_mead, "a simplex that contracts", "Nelder and Mead (1965), Comput. J. 7(4)"),
    )
}


class _Evidence(NamedTuple):
    """Candidates of the queries with a listed target.

    Attributes:
        scores: (rows, most candidates, members) float32 normalised scores, 0 where a member lacks the item.
        there: (rows, most candidates), false beyond a row's own.
        rows: (pairs,) the row of each listed target.
        places: (pairs,) its place among the candidates.
        targets: (rows,) how many targets the query has, listed or not.
        share: How much of all queries these rows stand for, over their number: turns a sum into the mean of all.
    """

    scores: NDArray[np.float32]
    there: NDArray[np.bool_]
    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    targets: NDArray[np.int64]
    share: float


def _evidence(validation: Aligned, normalisation: str, most: int) -> _Evidence:
    """The candidates in the order in which `fuse` puts equal scores, so that ties are judged as they will be listed."""
    hit = np.flatnonzero(_listed(validation))
    if not len(hit):
        raise DataError("no member lists a target of any validation query: there is nothing to fit weights on")
    chosen = np.sort(np.random.default_rng(0).choice(hit, min(most, len(hit)), replace=False))
    some = validation.rows(chosen)
    normalised = normalise_by(normalisation)(some.members)
    scores, items = _candidates(normalised)
    pair = [(items == targets[:, None]) & (targets[:, None] >= 0) for targets in some.targets.T]
    rows, places = np.nonzero(np.logical_or.reduce(pair))
    share = len(hit) / len(chosen) / len(validation.query_ids)
    return _Evidence(scores, items >= 0, rows, places, (some.targets >= 0).sum(axis=1), share)


def _listed(validation: Aligned) -> NDArray[np.bool_]:
    """(queries,) whether any member lists any target."""
    found = np.zeros(len(validation.targets), dtype=bool)
    for member in validation.members:
        for targets in validation.targets.T:
            found |= ((member.items == targets[:, None]) & (targets[:, None] >= 0)).any(axis=1)
    return found


def _candidates(members: Sequence[Lists]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """(rows, most candidates, members) scores and (rows, most candidates) items, by best rank and then code."""
    found = union(members)
    counts, width = found.counts(), found.items.shape[1]
    items = found.items.ravel()[found.starts]  # (groups,)
    best = np.minimum.reduceat(found.gathered(found.columns), found.starts)
    row = found.starts // width
    order = np.lexsort((items, best, items < 0, row))  # empty places last
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order)) - np.searchsorted(row, row[order])  # `row` rises
    widest = int(place[items >= 0].max(initial=0)) + 1
    listed = np.full((len(found.items), widest), -1, dtype=np.int32)
    listed[row[items >= 0], place[items >= 0]] = items[items >= 0]
    values = found.gathered(np.concatenate([member.scores for member in members], axis=1))  # (cells,)
    group = np.repeat(np.arange(len(items)), counts)  # (cells,)
    cells = items[group] >= 0
    scores = np.zeros((len(found.items), widest, len(members)), dtype=np.float32)
    where = group[cells]
    scores[row[where], place[where], found.gathered(found.members)[cells]] = values[cells]
    return scores, listed


def _ndcg(evidence: _Evidence, k: int) -> Value:
    """NDCG@k of all validation queries as a function of the weights."""
    discounts = 1 / np.log2(np.arange(2, k + 2))  # (k,)
    ideal = np.cumsum(discounts)[np.minimum(evidence.targets, k) - 1]  # (rows,)
    columns = np.arange(evidence.there.shape[1])
    gains = np.append(discounts, 0) * evidence.share

    def value(weights: Weights) -> float:
        total = 0.0
        for some in blocks(len(evidence.rows), len(columns)):
            rows, places = evidence.rows[some], evidence.places[some][:, None]
            fused = (evidence.scores[rows] @ weights).astype(np.float32)  # (pairs, candidates)
            fused[~evidence.there[rows]] = -np.inf
            own = np.take_along_axis(fused, places, axis=1)
            above = (fused > own) | ((fused == own) & (columns < places))
            total += float((gains[np.minimum(above.sum(axis=1), k)] / ideal[rows]).sum())
        return total

    return value
