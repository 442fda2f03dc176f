"""Results by length of the history and by popularity of the target."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.evaluation.context import Context
from recbole_xlrec.evaluation.grouped import Groups, table
from recbole_xlrec.evaluation.transfer import Scores

#: Shortest history of each slice.
_SHORTEST = (0, 1, 5, 10, 20, 50)
HISTORY_SLICES = ("0", "1-4", "5-9", "10-19", "20-49", "50+")
POPULARITY = ("cold", "tail", "head")
#: Share of the training interactions that the head holds.
HEAD_SHARE = 0.8


def by_history_length(context: Context, values: Mapping[str, NDArray[np.float64]]) -> dict[str, Scores]:
    """The mean of each metric over the queries whose users had consumed so many items, with their number.

    Args:
        context: With the histories.
        values: Each metric's value of each query, (queries,).
    """
    codes = np.searchsorted(_SHORTEST, context.history_lengths(), side="right") - 1
    return table(values, codes, HISTORY_SLICES)


def popularity(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(items,) codes in `POPULARITY`: 0 for cold, without any training interaction; 2 for the head; 1 for the tail.

    The head is the fewest items that together hold `HEAD_SHARE` of all training interactions, or just more; of equally
    popular items the one that the catalogue has first.

    Example:
        >>> popularity(np.array([0, 1, 7, 1, 1])).tolist()
        [0, 2, 2, 1, 1]
    """
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]  # held by the more popular ones
    codes = np.empty(len(counts), dtype=np.int64)
    codes[order] = np.where(before < HEAD_SHARE * counts.sum(), 2, 1)
    return np.where(counts == 0, 0, codes)


def by_popularity(groups: Groups) -> dict[str, Scores]:
    """The mean of each metric for cold, tail and head targets.

    A query with targets in several classes counts once in each; ``queries`` says how many have one.

    Args:
        groups: By the `popularity` of the targets.
    """
    return table(groups.values, groups.keys, POPULARITY)
