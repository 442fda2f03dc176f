"""Items that training never saw."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from recbole_xlrec.model.unseen import UnseenItems


def _unseen(weight: float = 2.0) -> UnseenItems:
    torch.manual_seed(0)
    vectors = torch.randn(40, 6)
    vectors[0] = 0
    trained = torch.ones(40, 1)
    trained[[0, 37, 38, 39]] = 0
    vectors[39] = 3 * vectors[5]
    return UnseenItems(vectors, trained, weight)


def test_an_unseen_item_scores_the_weighted_mean_of_both_cosines_and_others_the_models_own() -> None:
    module = _unseen()
    vectors = F.normalize(torch.randn(40, 3), dim=-1)
    state = F.normalize(torch.randn(2, 3), dim=-1)
    queries = torch.cat([state, module.query_part(torch.tensor([[5, 0, 0], [7, 8, 0]]))], dim=-1)
    scores = queries @ module.beside(vectors).T  # (batch, items)
    own = state @ vectors.T
    assert torch.allclose(scores[:, 1:37], own[:, 1:37], atol=1e-6)
    profile = F.normalize(module.vectors[7] + module.vectors[8], dim=0)
    assert torch.allclose(scores[1, 37:], (own[1, 37:] + 2 * module.vectors[37:] @ profile) / 3, atol=1e-6)
    assert scores.max() <= 1 + 1e-6
    assert scores[0, 39] - own[0, 39] / 3 > 0.5  # a text like that of the one item met, though whitening has moved both


def test_padding_changes_no_profile() -> None:
    module = _unseen()
    assert torch.equal(module.query_part(torch.tensor([[7, 8]])), module.query_part(torch.tensor([[7, 8, 0, 0]])))


def test_a_history_without_text_has_no_profile() -> None:
    assert not _unseen().query_part(torch.tensor([[0, 0]])).any()
