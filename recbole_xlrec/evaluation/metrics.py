"""Top-k ranking metrics as pure functions of hits, each query's value apart; they equal RecBole's.

Every function takes ``hits`` (queries, k), true where the item at that rank is a target, best first, and ``targets``
(queries,), the number of targets of each query, and returns (queries,) float64 at the cut-off k = ``hits.shape[1]``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError

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


def f1(hits: Hits, targets: Counts) -> Values:
    """Harmonic mean of precision and recall (van Rijsbergen, 1979): twice the hits over listed places plus targets."""
    return 2.0 * hits.sum(axis=1) / (hits.shape[1] + targets)


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
    "f1": f1,
    "mrr": mrr,
    "map": average_precision,
    "ndcg": ndcg,
}


def check_metrics(metrics: Sequence[str], topk: Sequence[int], length: int) -> list[str]:
    """The metrics' names in lower case.

    Args:
        metrics: Names in `METRICS`, in any case.
        topk: Cut-offs.
        length: Length of the saved lists.

    Raises:
        ConfigError: For an unknown metric, or a cut-off that is longer than the lists or below 1.
    """
    unknown = [name for name in metrics if name.lower() not in METRICS]
    if unknown:
        raise ConfigError(f"no metric by language named {', '.join(unknown)}; there are {', '.join(METRICS)}")
    if topk and max(topk) > length:
        raise ConfigError(f"the saved lists are {length} long, too short for @{max(topk)}: set ranking_k to it")
    if topk and min(topk) < 1:
        raise ConfigError(f"a cut-off is 1 or more, found @{min(topk)}")
    return [name.lower() for name in metrics]
