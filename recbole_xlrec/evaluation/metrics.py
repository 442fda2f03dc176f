"""Top-k ranking metrics as pure functions of hits, each query's value apart; they equal RecBole's.

Every function takes ``hits`` (queries, k), true where the item at that rank is a target, best first, and ``targets``
(queries,), the number of targets of each query, and returns (queries,) float64 at the cut-off k = ``hits.shape[1]``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Hits = NDArray[np.bool_]
Counts = NDArray[np.int64]
Values = NDArray[np.float64]


def hit(hits: Hits, targets: Counts) -> Values:
    """1 where any target is listed."""
    return np.asarray(hits.any(axis=1), dtype=np.float64)


def recall(hits: Hits, targets: Counts) -> Values:
    """Share of the targets that are listed."""
    return hits.sum(axis=1) / targets


def precision(hits: Hits, targets: Counts) -> Values:
    """Share of the list that is a target."""
    return np.asarray(hits.mean(axis=1))


def mrr(hits: Hits, targets: Counts) -> Values:
    """Reciprocal rank of the first target listed, else 0."""
    return np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1), 0.0)


def average_precision(hits: Hits, targets: Counts) -> Values:
    """Mean of the precision at each rank with a target, over min(k, targets)."""
    ranks = np.arange(1, hits.shape[1] + 1)
    precisions = np.cumsum(hits, axis=1) / ranks  # (queries, k)
    return (precisions * hits).sum(axis=1) / np.minimum(targets, hits.shape[1])


def ndcg(hits: Hits, targets: Counts) -> Values:
    """Binary NDCG with the logarithmic discount (Järvelin and Kekäläinen, 2002)."""
    discounts = 1.0 / np.log2(np.arange(2, hits.shape[1] + 2))  # (k,)
    ideal = np.cumsum(discounts)[np.minimum(targets, hits.shape[1]) - 1]  # (queries,)
    return (hits * discounts).sum(axis=1) / ideal


METRICS: dict[str, Callable[[Hits, Counts], Values]] = {
    "hit": hit,
    "recall": recall,
    "precision": precision,
    "mrr": mrr,
    "map": average_precision,
    "ndcg": ndcg,
}
