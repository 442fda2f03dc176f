"""A weighted sum and trees put together, the trees by as much as they have shown on queries they had not learned from.

Trees alone learn from few validation queries less than the best member knows: on ml-100k-xl, with 943, they fell below
it. So the share of the trees is fitted to lists that they give of users they have not seen, by cross-fitting (Wolpert,
1992, Stacked generalization, Neural Networks 5). It may be 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.ranking.align import Aligned
from recbole_xlrec.ranking.candidates import Signals
from recbole_xlrec.ranking.fuse import weighted_sum
from recbole_xlrec.ranking.lists import Lists, empty_lists
from recbole_xlrec.ranking.ranking import Ranking
from recbole_xlrec.ranking.stack import NO_SIGNALS, Options, Stack, fit_stack
from recbole_xlrec.ranking.weights import fit_weights

FOLDS = 4
#: Few, and of many candidates each: validation has fewer queries than training.
CAREFUL = Options(leaves=7, least=500, learning_rate=0.03)


class Blend(NamedTuple):
    """A learned fusion.

    Attributes:
        weights: (members,) of the weighted sum.
        share: Of the trees, from 0 to 1.
        stack: The trees; None where their share is 0.
        normalisation: Of the members' scores.
    """

    weights: NDArray[np.float64]
    share: float
    stack: Stack | None
    normalisation: str

    def fused(self, members: Sequence[Lists], k: int, *, names: Sequence[str], signals: Signals = NO_SIGNALS) -> Lists:
        """One list of each query; arguments as of `Stack.fused`."""
        if self.stack is None:
            return weighted_sum(members, k, weights=self.weights, normalisation=self.normalisation)
        width = max(k, *(member.items.shape[1] for member in members))
        summed = weighted_sum(members, width, weights=self.weights, normalisation=self.normalisation)
        grown = self.stack.fused(members, width, names=names, signals=signals)
        return weighted_sum([summed, grown], k, weights=[1 - self.share, self.share])


def fit_blend(
    validation: Aligned,
    *,
    names: Sequence[str],
    evaluation: Ranking | None,
    signals: Signals = NO_SIGNALS,
    k: int = 10,
    search: str = "coordinate",
    normalisation: str = "min_max",
    options: Options = CAREFUL,
) -> Blend:
    """Learns weights, trees, and how much the trees count; arguments as of `fit_weights` and `fit_stack`.

    Raises:
        ConfigError: lightgbm is not installed, or there is no such search or normalisation.
        DataError: The validation holds what is judged, or no member lists any target.
    """
    weights = fit_weights(validation, k, evaluation=evaluation, search=search, normalisation=normalisation).weights

    def fit(rows: NDArray[np.int64]) -> Stack:
        some = signals.rows(rows)
        return fit_stack(validation.rows(rows), names=names, evaluation=None, signals=some, k=k, options=options)

    rng = np.random.default_rng(options.seed)
    asked = rng.permutation(len(validation.query_ids))[: options.queries]  # (asked,)
    _, users = np.unique(validation.query_ids[asked], return_inverse=True)
    folds = rng.permutation(int(users.max()) + 1)[users] % FOLDS  # (asked,) of different users
    width = max(k, *(member.items.shape[1] for member in validation.members))
    grown = empty_lists(len(asked), width)
    for fold in range(FOLDS):
        there = np.flatnonzero(folds == fold)
        rows = asked[there]
        members = [member.rows(rows) for member in validation.members]
        found = fit(asked[folds != fold]).fused(members, width, names=names, signals=signals.rows(rows))
        grown.items[there], grown.scores[there] = found.items, found.scores
    some = validation.rows(asked)
    summed = weighted_sum(some.members, width, weights=weights, normalisation=normalisation)
    share = float(fit_weights(some._replace(members=[summed, grown]), k, evaluation=None, search="grid").weights[1])
    return Blend(weights, share, fit(np.arange(len(validation.query_ids))) if share else None, normalisation)
