"""Metrics against numbers worked out by hand, and against RecBole's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import recbole_xlrec.bridge  # noqa: F401  RecBole's metrics need the NumPy names it restores
from recbole_xlrec.evaluation.metrics import METRICS

HITS = np.array([[True, False, True, False], [False, True, False, False], [False, False, False, False]])
TARGETS = np.array([3, 1, 2])
BY_HAND = {
    "hit": [1, 1, 0],
    "recall": [2 / 3, 1, 0],
    "precision": [2 / 4, 1 / 4, 0],
    "f1": [2 * 1 / 2 * 2 / 3 / (1 / 2 + 2 / 3), 2 * 1 / 4 * 1 / (1 / 4 + 1), 0],
    "mrr": [1, 1 / 2, 0],
    "map": [(1 + 2 / 3) / 3, 1 / 2, 0],
    "ndcg": [(1 + 1 / 2) / (1 + 1 / np.log2(3) + 1 / 2), 1 / np.log2(3), 0],
}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_what_it_is_by_hand(name: str) -> None:
    np.testing.assert_allclose(METRICS[name](HITS, TARGETS), BY_HAND[name])


@pytest.mark.parametrize("name", sorted(set(METRICS) - {"f1"}))  # which RecBole lacks
@given(hits=arrays(bool, (5, 8)), more=st.lists(st.integers(1, 9), min_size=5, max_size=5), k=st.integers(1, 8))
def test_a_metric_equals_that_of_recbole(name: str, hits: np.ndarray, more: list[int], k: int) -> None:
    from recbole.evaluator.register import metrics_dict

    targets = np.maximum(hits.sum(axis=1), more)
    config = {"topk": [8], "metric_decimal_place": 10}
    np.int, np.float = int, float  # type: ignore[attr-defined]  # what RecBole's Config sets
    expected = metrics_dict[name](config)
    arguments = (hits, targets) if name in ("recall", "ndcg", "map") else (hits,)
    values = expected.metric_info(*arguments)
    np.testing.assert_allclose(METRICS[name](hits[:, :k], targets), values[:, k - 1])
