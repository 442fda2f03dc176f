"""Items that nobody has met take their weights from text, as large beside the others as the joint fit has them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from recbole_xlrec.model.cold_items import Fitted, cold_weights, new_weights
from recbole_xlrec.model.cold_level import Level, measure
from recbole_xlrec.model.regression import inverse_of, weights_of, zero_diagonal_regression
from recbole_xlrec.model.xlease import user_balance

TEXT = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 1, 0]], dtype=float)  # (items, words)
COLD = np.array([False, False, False, True, True])
HISTORIES = sp.csr_matrix(np.array([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 0, 0]], dtype=float))


def _joint() -> np.ndarray:
    gram = (HISTORIES.T @ HISTORIES).toarray() + TEXT @ TEXT.T
    return zero_diagonal_regression(gram, 0.5)


@pytest.mark.parametrize("penalty", [0.1, 3.0])
def test_weights_are_those_of_the_ridge_regression_of_text_rows(penalty: float) -> None:
    found = cold_weights(TEXT @ TEXT.T, _joint(), COLD, penalty, HISTORIES)
    warm = TEXT[~COLD]
    ridge = penalty * np.square(warm).sum(axis=1).mean()
    plain = np.linalg.solve(warm @ warm.T + ridge * np.eye(3), warm @ TEXT[COLD].T)  # (warm, cold)
    np.testing.assert_allclose(found / np.linalg.norm(found), plain / np.linalg.norm(plain))


def test_scores_of_cold_items_are_together_as_large_as_in_the_joint_fit() -> None:
    joint = _joint()
    found = cold_weights(TEXT @ TEXT.T, joint, COLD, 1.0, HISTORIES)
    scores, usual = HISTORIES[:, ~COLD] @ found, HISTORIES @ joint[:, COLD]
    assert np.linalg.norm(scores) == pytest.approx(np.linalg.norm(usual))


def test_the_weight_of_the_text_does_not_matter() -> None:
    one, ten = (cold_weights(w * TEXT @ TEXT.T, _joint(), COLD, 1.0, HISTORIES) for w in (1.0, 10.0))
    np.testing.assert_allclose(one, ten)


def test_a_user_counts_by_the_length_of_the_history_to_the_power() -> None:
    assert user_balance(HISTORIES, 0.0).toarray().tolist() == np.eye(4).tolist()
    found = np.square(user_balance(HISTORIES, 0.5).diagonal())  # what a pair of items counts in the Gram matrix
    np.testing.assert_allclose(found, (1.5 / np.array([1, 2, 2, 1])) ** 0.5)


# --- at the level of the others --------------------------------------------------------------------------------------

USERS, ITEMS, NEW, WORDS = 80, 60, 6, 25


class Market:
    """Users who like some words, and items with words; nobody has met the last `NEW` of them, at least."""

    def __init__(self) -> None:
        draw = np.random.default_rng(1)
        self.text = (draw.random((ITEMS, WORDS)) < 0.2).astype(float)
        likes = draw.random((USERS, WORDS)) ** 3
        wanted = likes @ self.text.T + draw.gumbel(size=(USERS, ITEMS)) * 0.3 + np.linspace(1, 0, ITEMS)
        met = wanted >= np.sort(wanted, axis=1)[:, [-12]]
        met[:, ITEMS - NEW :] = False
        self.histories = sp.csr_matrix(met.astype(float))
        self.cold = ~met.any(axis=0)
        gram = (self.histories.T @ self.histories).toarray() + self.text @ self.text.T
        self.inverse = inverse_of(gram, 2.0)
        self.diagonal = self.inverse.diagonal().copy()
        self.weights = weights_of(self.inverse)
        self.known = self.weights[np.ix_(~self.cold, ~self.cold)]

    def level(self, popularity: float) -> Level:
        """As XLEASE measures it."""
        warm = self.text[~self.cold]
        return measure(self.known, warm @ warm.T, 1.0, self.histories[:, ~self.cold], popularity)

    def columns(self, popularity: float | None) -> np.ndarray:
        """(warm, cold)."""
        return cold_weights(self.text @ self.text.T, self.weights, self.cold, 1.0, self.histories, popularity)


@pytest.fixture(scope="module")
def market() -> Market:
    return Market()


@pytest.mark.parametrize("popularity", [0.0, 0.4, 1.0])
def test_known_items_scored_as_unseen_ones_reach_as_high_as_they_are(market: Market, popularity: float) -> None:
    warm = market.text[~market.cold]
    ridge = np.square(warm).sum(axis=1).mean()
    alone = zero_diagonal_regression(warm @ warm.T, ridge)
    histories = market.histories[:, ~market.cold].toarray()
    level = market.level(popularity)
    counts = histories.sum(axis=0)
    least = counts <= np.sort(counts)[int(0.1 * len(counts))]

    def of(weights: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        scores = np.where(histories > 0, np.nan, histories @ weights)[:, chosen]
        best = [np.quantile(row[~np.isnan(row)], 1 - 10 / len(counts)) for row in scores]
        return np.array([np.nanmean(scores), np.mean(best)])

    every = np.ones(len(counts), dtype=bool)
    wanted = (1 - popularity) * of(market.known, least) + popularity * of(market.known, every)
    as_unseen = of(level.scale * alone, every) + level.shift * np.nanmean(
        np.where(histories > 0, np.nan, histories @ market.known)
    )
    np.testing.assert_allclose(as_unseen, wanted, rtol=1e-9)


def test_the_level_leaves_the_order_of_unseen_items_and_brings_them_into_lists(market: Market) -> None:
    met, scores = market.histories[:, ~market.cold], {}
    for popularity in (None, 0.0, 1.0):
        scores[popularity] = met @ market.columns(popularity)  # (users, cold)
        np.testing.assert_array_equal(np.argsort(scores[popularity]), np.argsort(scores[None]))
    others = np.where(met.toarray() > 0, -np.inf, met @ market.known)
    tenth = np.sort(others, axis=1)[:, [-10]]
    listed = {popularity: (found > tenth).mean() for popularity, found in scores.items()}
    assert max(listed[None], listed[0.0]) < 0.02
    assert listed[1.0] == pytest.approx(10 / (met.shape[1] - 12), abs=0.1)  # about as often as the others


def test_a_new_item_scores_as_an_unseen_one_of_training_with_its_text(market: Market) -> None:
    rows = sp.csr_matrix(market.text)
    fitted = Fitted(rows, market.weights, market.diagonal, market.histories)
    for popularity in (None, 1.0):
        found = new_weights(fitted, rows[market.cold], 1.0, popularity)
        np.testing.assert_allclose(found[~market.cold], market.columns(popularity), rtol=1e-6, atol=1e-9)
        assert not found[market.cold].any()


def test_text_that_tells_nothing_gives_unseen_items_the_mean_of_the_others(market: Market) -> None:
    met = market.histories[:, ~market.cold]
    alike = np.zeros((met.shape[1],) * 2)
    np.fill_diagonal(alike, 1.0)  # no two items share a word
    level = measure(market.known, alike, 1.0, met, 1.0)
    assert level.scale == 0
    assert level.shift == pytest.approx(1)


@pytest.mark.parametrize(("popularity", "matrices"), [(None, 3.0), (1.0, 4.5)])
def test_no_more_memory_is_held_than_is_announced(popularity: float | None, matrices: float) -> None:
    items, draw = 1_500, np.random.default_rng(0)
    rows = sp.csr_matrix((draw.random((items, 300)) < 0.02).astype(np.float32))
    histories = sp.csr_matrix((draw.random((60, items)) < 0.05).astype(np.float32))
    cold = np.arange(items) >= items - 100
    histories = sp.csr_matrix(histories.multiply(~cold))
    text = (rows @ rows.T).toarray()
    weights = zero_diagonal_regression(text + (histories.T @ histories).toarray(), 2.0)
    tracemalloc.start()
    cold_weights(text, weights, cold, 3.0, histories, popularity)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak + text.nbytes + weights.nbytes <= (matrices + 0.5) * text.nbytes  # a sample of scores besides
