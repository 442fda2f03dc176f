"""Items that nobody has met take their weights from text, as large beside the others as the joint fit has them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from recbole_xlrec.model.cold_items import cold_weights
from recbole_xlrec.model.xlease import user_balance, zero_diagonal_regression

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
