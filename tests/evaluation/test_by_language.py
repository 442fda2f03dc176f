"""Metrics by language of a ranking small enough to check by eye."""

from __future__ import annotations

import numpy as np
import pytest

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.evaluation.by_language import by_language, overall
from recbole_xlrec.ranking.ranking import Ranking

RANKING = Ranking.of(
    query_ids=np.array(["u1", "u2", "u3"]),
    item_ids=np.array([["a", "b"], ["b", "c"], ["c", ""]]),
    scores=np.array([[2, 1], [2, 1], [1, -np.inf]], dtype=np.float32),
    target_ids=np.array([["a", ""], ["c", "d"], ["a", ""]]),
    languages=np.array(["de", "de", "fr"]),
)


def test_users_of_each_language_are_averaged_apart() -> None:
    found = by_language(RANKING, ["Recall", "MRR"], [1, 2])
    assert found == {
        "de": {"recall@1": 0.5, "recall@2": 0.75, "mrr@1": 0.5, "mrr@2": 0.75, "queries": 2},
        "fr": {"recall@1": 0.0, "recall@2": 0.0, "mrr@1": 0.0, "mrr@2": 0.0, "queries": 1},
    }


def test_overall_is_the_mean_over_queries_not_over_languages() -> None:
    assert overall(RANKING, ["Recall"], [2]) == {"recall@2": pytest.approx(0.5)}


def test_queries_without_a_language_are_in_no_language() -> None:
    nameless = RANKING._replace(languages=np.array(["", "", ""]))
    assert by_language(nameless, ["NDCG"], [1]) == {}


def test_an_unknown_metric_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"ndgc.*there are hit, recall"):
        by_language(RANKING, ["ndgc"], [1])


def test_a_cut_off_beyond_the_saved_lists_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"2 long, too short for @3"):
        by_language(RANKING, ["NDCG"], [3])
