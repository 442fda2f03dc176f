"""Keeps what a fusion will be judged by out of what it is fitted on."""

from __future__ import annotations

import numpy as np

from recbole_xlrec.errors import DataError, sample
from recbole_xlrec.ranking.align import Aligned
from recbole_xlrec.ranking.lists import Mask
from recbole_xlrec.ranking.ranking import Ranking


def judged(validation: Aligned, evaluation: Ranking) -> Mask:
    """(queries,) true where a query of the validation has a target that the same user has in the evaluation.

    The users of a leave-one-out split are in both; their targets differ.
    """
    wanted = {
        pair
        for targets in evaluation.target_ids.T
        for pair in zip(evaluation.query_ids.tolist(), targets.tolist(), strict=True)
        if pair[1]
    }
    ids = np.append(validation.item_ids, "")
    found = np.zeros(len(validation.query_ids), dtype=bool)
    for targets in validation.targets.T:
        pairs = zip(validation.query_ids.tolist(), ids[targets].tolist(), strict=True)
        found |= np.fromiter((pair in wanted for pair in pairs), dtype=bool, count=len(found))
    return found


def refuse_judged(validation: Aligned, evaluation: Ranking | None) -> None:
    """Refuses to fit on what will be judged.

    Raises:
        DataError: Some queries have a target that the same user has in `evaluation`.
    """
    if evaluation is None:
        return
    found = judged(validation, evaluation)
    if found.any():
        users = sample(validation.query_ids[found].tolist())
        raise DataError(
            f"{found.sum()} of {len(found)} queries to fit on have a target that the evaluation judges: {users}. "
            "Fit on validation rankings; where users consume an item again, leave these queries out with `unjudged`."
        )


def unjudged(validation: Aligned, evaluation: Ranking) -> Aligned:
    """The queries of the validation that have no target which the same user has in the evaluation."""
    return validation.rows(np.flatnonzero(~judged(validation, evaluation)))
