"""Metrics of a saved ranking, overall and for the users of each language."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.evaluation.grouped import table
from recbole_xlrec.evaluation.metrics import METRICS, check_metrics
from recbole_xlrec.ranking.ranking import Ranking

Scores = dict[str, float]


def per_query(ranking: Ranking, metrics: Sequence[str], topk: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """Each metric's value of each query.

    Args:
        ranking: Rankings with at least one target a query.
        metrics: Names in `METRICS`, in any case.
        topk: Cut-offs, none longer than the saved lists.

    Returns:
        ``ndcg@10`` and so on -> (queries,) values.

    Raises:
        ConfigError: For an unknown metric, or a cut-off longer than the lists.
    """
    names = check_metrics(metrics, topk, ranking.items.shape[1])
    hits, targets = ranking.hits(), ranking.target_counts()
    return {f"{name}@{k}": METRICS[name](hits[:, :k], targets) for name in names for k in topk}


def overall(ranking: Ranking, metrics: Sequence[str], topk: Sequence[int]) -> Scores:
    """The mean of each metric over all queries."""
    return {name: float(values.mean()) for name, values in per_query(ranking, metrics, topk).items()}


def by_language(ranking: Ranking, metrics: Sequence[str], topk: Sequence[int]) -> dict[str, Scores]:
    """The mean of each metric over the queries of each user language, with their number as ``queries``."""
    values = per_query(ranking, metrics, topk)
    languages, codes = np.unique(ranking.languages, return_inverse=True)
    return table(values, codes, languages.tolist())
