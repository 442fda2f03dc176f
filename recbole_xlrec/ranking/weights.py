"""Weights of a weighted sum, chosen for the NDCG@k of validation rankings.

NDCG only changes where two items change places, so it has no slope to follow: the searches try weights. All start from
equal weights and from each member alone, so what they find is never worse on the validation than the best member. They
draw nothing at random but the queries, of a fixed seed, where there are too many.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.ranking.align import Aligned
from recbole_xlrec.ranking.evidence import Value, Weights, evidence, ndcg_of
from recbole_xlrec.ranking.leakage import refuse_judged
from recbole_xlrec.ranking.lists import check_length, check_members
from recbole_xlrec.ranking.ranking import Ranking

#: Weights of a grid on the simplex are multiples of 1 / STEPS.
STEPS = 10
#: So many points of a grid take minutes.
MOST_POINTS = 5000
#: How much a move must gain; less is a difference of rounding.
GAIN = 1e-9


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
    queries: int = 10_000,
) -> Fitted:
    """Finds the weights of `fuse.weighted_sum` for validation rankings.

    Args:
        validation: Lists of the members and targets of validation queries.
        k: Cut-off of NDCG.
        evaluation: A ranking of what the fusion will be judged by, to make sure that nothing of it is fitted on; None
            where nothing will be.
        search: A name in `SEARCHES`.
        normalisation: As it will be fused with.
        queries: The most queries with a listed target to look at; where there are more, so many are drawn; five
            members of a hundred places take up to 20 kB a query.

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
    tries = _Tries(ndcg_of(evidence(validation, normalisation, queries), k), len(validation.members))
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
    """Nelder and Mead's simplex, begun at the best of the starts and between it and each member alone."""
    from scipy.optimize import minimize

    moved = [(tries.best + 2 * corner) / 3 for corner in tries.corners]
    start: Weights = np.vstack([tries.best, *moved])  # (members + 1, members)

    def loss(weights: Weights) -> float:
        return -tries(weights)

    minimize(
        loss,
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
