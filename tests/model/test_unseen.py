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


def test_an_unseen_item_scores_the_cosine_of_its_text_and_the_history_and_others_nothing() -> None:
    module = _unseen()
    histories = torch.tensor([[5, 0, 0], [7, 8, 0]])
    scores = module.query_part(histories) @ module.item_part().T  # (batch, items)
    assert not scores[:, :37].any()
    profile = F.normalize(module.vectors[7] + module.vectors[8], dim=0)
    assert torch.allclose(scores[1, 37:], 2.0 * module.vectors[37:] @ profile, atol=1e-6)
    assert scores[0].argmax() == 39
    assert scores[0, 39] > 1.5  # a text like that of the one item met, though whitening has moved both


def test_padding_changes_no_profile() -> None:
    module = _unseen()
    assert torch.equal(module.query_part(torch.tensor([[7, 8]])), module.query_part(torch.tensor([[7, 8, 0, 0]])))


def test_a_history_without_text_has_no_profile() -> None:
    assert not _unseen().query_part(torch.tensor([[0, 0]])).any()
