"""Scores of items that nobody has met, brought to the level of the others, so that lists of a catalogue can have them.

What text alone predicts is closer to the mean than what behaviour shows, so that other items are ahead of it. How far
is measured on the items that somebody has met, scored as if nobody had: by the zero-diagonal regression of their text
alone, in which no item has a part in its own score. A factor and a shift then bring these scores to the mean of the
others', and to their tenth best, the place down to which a list is read. Both are linear in a history, as scores are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from recbole_xlrec.model.items import most_of_least
from recbole_xlrec.model.regression import zero_diagonal_regression

Matrix = NDArray[np.floating[Any]]

_BEST = 10  # places of a list
_USERS = 500  # about, that it is measured on
_NOTHING = 1e-12


class Level(NamedTuple):
    """How weights by text alone become comparable.

    Attributes:
        scale: What they are multiplied by.
        shift: How many times the mean weights of the other items are added, which leaves the order of a user's unseen
            items as it is.
    """

    scale: float
    shift: float

    def of(self, columns: Matrix, known: Matrix) -> Matrix:
        """(warm, unseen) by text alone and (warm, warm) of the others → (warm, unseen)."""
        return (self.scale * columns + self.shift * known.mean(axis=1, keepdims=True)).astype(columns.dtype)


def measure(known: Matrix, text_gram: Matrix, penalty: float, histories: sp.csr_matrix, popularity: float) -> Level:
    """Measures the level on the items that somebody has met.

    Args:
        known: (warm, warm) weights of the joint regression.
        text_gram: (warm, warm) inner products of the text rows; overwritten.
        penalty: Ridge penalty of the text, in units of a row's mean squared length.
        histories: (users, warm) of training.
        popularity: How popular unseen items are taken to be, from 0 (as those consumed least) to 1 (as all).
    """
    alone = zero_diagonal_regression(text_gram, penalty * float(np.diagonal(text_gram).mean()))  # (warm, warm)
    counts = np.diff(histories.tocsc().indptr)  # (warm,)
    least = counts <= most_of_least(torch.from_numpy(counts))
    users = np.flatnonzero(np.diff(histories.indptr))
    some = histories[users[:: max(1, len(users) // _USERS)]]  # (sample, warm)
    met = some.toarray() > 0  # what a user has met is not asked about
    as_they_are, as_unseen = (np.where(met, np.nan, some @ weights) for weights in (known, alone))  # (sample, warm)
    share = min(0.5, _BEST / len(known))
    low, usual = (_middle_and_best(scores, share) for scores in (as_they_are[:, least], as_they_are))
    wanted, own = low + popularity * (usual - low), _middle_and_best(as_unseen, share)
    reach = own[1] - own[0]
    scale = (wanted[1] - wanted[0]) / reach if reach > _NOTHING else 0.0
    shift = (wanted[0] - scale * own[0]) / usual[0] if usual[0] > _NOTHING else 0.0
    return Level(float(scale), float(shift))


def _middle_and_best(scores: Matrix, share: float) -> Matrix:
    """(sample, items), NaN for what a user has met → (2,) mean, and what a `share` of a user's items exceeds."""
    return np.array([np.nanmean(scores), np.nanmean(np.nanquantile(scores, 1 - share, axis=1))])
