"""What joint training adds to a loss: pairs, alignment, reversed gradients, adversarial steps."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from recbole_xlrec.model.joint import ReversedGradient, info_nce, worst_step
from recbole_xlrec.model.pairs import consumed_pairs, edition_pairs

LANGUAGES = np.array([0, 1, 2, 1, 2, 2, 0])


def test_editions_of_one_work_in_different_languages_are_pairs() -> None:
    works = ["", "a", "a", "b", "a", "", "a"]
    # 1, 2 and 4 are editions of a; 2 and 4 are of one language; 6 has none; 3 is the only one of b
    assert edition_pairs(works, LANGUAGES).tolist() == [[1, 2], [1, 4]]


@pytest.mark.parametrize("block", [2, 100])
def test_items_of_different_languages_that_enough_users_share_are_pairs_the_closest_first(block: int) -> None:
    histories = np.zeros((6, 7), dtype=np.float32)
    for user, items in enumerate([[1, 2, 3], [1, 2, 4], [1, 2, 4], [3, 5], [1, 3], [4, 6]]):
        histories[user, items] = 1
    # 1-2 share three users, 1-4 two, 3-5 and 3-2 one each, 1-3 and 2-4 are of one language, 6 has none
    found = consumed_pairs(sp.csr_matrix(histories), LANGUAGES, partners=5, block=block)
    assert found.tolist() == [[1, 2], [1, 4]]
    assert consumed_pairs(sp.csr_matrix(histories), LANGUAGES, partners=1, block=block).tolist() == [[1, 2], [1, 4]]
    histories[3:5, [1, 5]] = 1  # 5 shares two users with 1, which five have met, and with 3, which three have met
    found = consumed_pairs(sp.csr_matrix(histories), LANGUAGES, partners=5, block=block)
    assert found.tolist() == [[1, 2], [1, 4], [1, 5], [3, 5]]
    found = consumed_pairs(sp.csr_matrix(histories), LANGUAGES, partners=1, block=block)
    assert found.tolist() == [[1, 2], [1, 4], [3, 5]]


def test_no_pairs_are_an_empty_table() -> None:
    assert consumed_pairs(sp.csr_matrix((3, 7), dtype=np.float32), LANGUAGES).shape == (0, 2)
    assert edition_pairs([""] * 7, LANGUAGES).shape == (0, 2)


def test_info_nce_is_the_cross_entropy_of_both_directions_without_false_negatives() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(2, 3, 4), dim=-1)
    left, right = vectors
    left_ids, right_ids = torch.tensor([1, 1, 2]), torch.tensor([5, 6, 7])  # the first two share an item
    scores = (left @ right.T / 0.5).tolist()

    def loss(own: float, others: list[float]) -> float:
        return float(torch.logsumexp(torch.tensor([own, *others]), 0)) - own

    expected = loss(scores[0][0], [scores[0][2]]) + loss(scores[1][1], [scores[1][2]])
    expected += loss(scores[2][2], [scores[2][0], scores[2][1]])
    expected += loss(scores[0][0], [scores[2][0]]) + loss(scores[1][1], [scores[2][1]])
    expected += loss(scores[2][2], [scores[0][2], scores[1][2]])
    assert float(info_nce(left, right, left_ids, right_ids, 0.5)) == pytest.approx(expected / 6, rel=1e-5)


def test_the_reversed_gradient_is_the_gradient_turned_round() -> None:
    values = torch.randn(3, requires_grad=True)
    out = ReversedGradient.apply(values)
    assert torch.equal(out, values)
    (out * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [-1, -2, -3]


def test_the_worst_step_has_its_length_raises_the_loss_and_carries_no_gradient() -> None:
    torch.manual_seed(0)
    vectors, weights = torch.randn(5, 4, requires_grad=True), torch.randn(5, 4)

    def loss(table: torch.Tensor) -> torch.Tensor:
        return (table * weights).sum().square()

    step = worst_step(loss(vectors), vectors, 0.1)
    assert not step.requires_grad
    length = 0.1 * float(vectors.detach().norm(dim=-1).mean())
    torch.testing.assert_close(step.norm(dim=-1), torch.full((5,), length))
    assert float(loss(vectors + step).detach()) > float(loss(vectors).detach())
