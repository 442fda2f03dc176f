"""Items that training never saw."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.unseen import UnseenItems

NO_CALIBRATION = torch.tensor([1.0, 0.0])


def _unseen(popularity: float = 1.0) -> UnseenItems:
    torch.manual_seed(0)
    vectors = torch.randn(40, 6)
    vectors[0] = 0
    counts = torch.arange(40)  # an item is consumed as often as its place says
    counts[[0, 37, 38, 39]] = 0
    vectors[39] = 3 * vectors[5]
    return UnseenItems(vectors, counts, 2.0, popularity)


def _directions(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape), dim=-1)


def test_an_unseen_item_scores_the_weighted_mean_of_both_cosines_and_others_the_models_own() -> None:
    module, vectors, state = _unseen(), _directions(40, 3), _directions(2, 3)
    queries = module.queries(state, 1.0, torch.tensor([[5, 0, 0], [7, 8, 0]]))
    scores = queries @ module.beside(vectors, NO_CALIBRATION).T  # (batch, items)
    own = state @ vectors.T
    assert torch.allclose(scores[:, 1:37], own[:, 1:37], atol=1e-6)
    profile = F.normalize(module.vectors[7] + module.vectors[8], dim=0)
    assert torch.allclose(scores[1, 37:], (own[1, 37:] + 2 * module.vectors[37:] @ profile) / 3, atol=1e-6)
    assert scores.max() <= 1 + 1e-6
    assert scores[0, 39] - own[0, 39] / 3 > 0.5  # a text like that of the one item met, though whitening has moved both


@pytest.mark.parametrize(("popularity", "like"), [(0.0, slice(1, 5)), (1.0, slice(1, 37))])
def test_scores_have_the_mean_and_the_spread_of_those_of_the_items_taken_for_alike(
    popularity: float, like: slice
) -> None:
    module, vectors = _unseen(popularity), torch.randn(40, 3) * torch.arange(40)[:, None]
    queries = module.queries(5 * _directions(20, 3) + 1, 0.1, torch.randint(1, 37, (20, 4)))
    as_unseen = torch.randn(36, 3)
    calibration = module.calibrate(queries, vectors[1:37], as_unseen, torch.ones(20, 36, dtype=torch.bool))
    wanted = queries[:, :3] @ vectors[like].T  # (sample, alike)
    found = queries @ module._mean(as_unseen, module.vectors[1:37], calibration).T
    assert torch.allclose(found.mean(), wanted.mean(), atol=1e-4)
    assert torch.allclose(found.var(1, correction=0).mean(), wanted.var(1, correction=0).mean(), rtol=1e-4)
    scores = queries @ module.beside(vectors, calibration).T
    plain = queries @ module.beside(vectors, NO_CALIBRATION).T
    assert torch.allclose(scores[:, 1:37], plain[:, 1:37], atol=1e-4)
    assert torch.allclose(scores[:, 37:], plain[:, 37:] * calibration[0] + calibration[1], atol=1e-3)


def test_a_history_is_measured_on_the_candidates_of_its_user() -> None:
    torch.manual_seed(0)
    module, vectors = _unseen(1.0), torch.randn(40, 3)
    queries, as_unseen = module.queries(_directions(20, 3), 0.1, torch.randint(1, 37, (20, 4))), torch.randn(36, 3)
    ranked = torch.zeros(20, 36, dtype=torch.bool)
    ranked[:10, :18] = True  # in one language
    ranked[10:15, 18:] = True  # in another; the last five have no candidates
    calibration = module.calibrate(queries, vectors[1:37], as_unseen, ranked)
    wanted = queries[:, :3] @ vectors[1:37].T  # (sample, measured)
    found = queries @ module._mean(as_unseen, module.vectors[1:37], calibration).T
    assert torch.allclose(found[ranked].mean(), wanted[ranked].mean(), atol=1e-4)
    own = [torch.cat([scores[:10, :18], scores[10:15, 18:]]).var(1, correction=0).mean() for scores in (found, wanted)]
    assert torch.allclose(own[0], own[1], rtol=1e-4)


def test_half_as_popular_is_half_way() -> None:
    found = {}
    for popularity in (0.0, 0.5, 1.0):
        module, vectors = _unseen(popularity), torch.arange(1, 41)[:, None] * _directions(40, 3)
        queries = module.queries(_directions(9, 3), 0.1, torch.randint(1, 37, (9, 4)))
        scale, shift = module.calibrate(queries, vectors[1:37], vectors[1:37], torch.ones(9, 36, dtype=torch.bool))
        mean = (queries @ module._mean(vectors[1:37], module.vectors[1:37], NO_CALIBRATION).T).mean()
        found[popularity] = torch.stack([scale, mean * scale + shift])
    assert torch.allclose(found[0.5], (found[0.0] + found[1.0]) / 2, atol=1e-4)
    assert found[1.0][0] > 3 * found[0.0][0]  # the vectors of items consumed often are long here


def test_one_item_of_training_has_no_spread_so_that_the_scale_stays() -> None:
    module, one = UnseenItems(torch.eye(3, 2), torch.tensor([0, 1, 0]), 2.0, 1.0), _directions(1, 3)
    queries = module.queries(_directions(2, 3), 0.1, torch.tensor([[1], [1]]))
    scale, shift = module.calibrate(queries, one, one, torch.ones(2, 1, dtype=torch.bool))
    assert scale == 1
    assert shift.isfinite()


def test_where_no_item_of_training_has_a_text_nothing_is_calibrated() -> None:
    module = UnseenItems(torch.tensor([[0.0, 0], [0, 0], [1, 0]]), torch.tensor([0, 1, 0]), 2.0, 1.0)
    queries = module.queries(_directions(2, 3), 0.1, torch.tensor([[1], [1]]))
    assert module.calibrate(queries, torch.empty(0, 3), torch.empty(0, 3), torch.ones(2, 0).bool()).tolist() == [1, 0]


def test_a_popularity_beyond_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="unseen_popularity: from 0 to 1"):
        _unseen(1.5)


def test_padding_changes_no_profile() -> None:
    state = _directions(1, 3)
    short, long = torch.tensor([[7, 8]]), torch.tensor([[7, 8, 0, 0]])
    assert torch.equal(_unseen().queries(state, 0.1, short), _unseen().queries(state, 0.1, long))


def test_a_history_without_text_has_no_profile() -> None:
    assert not _unseen().queries(_directions(1, 3), 0.1, torch.tensor([[0, 0]]))[:, 3:9].any()


def test_histories_one_after_the_other_are_those_padded() -> None:
    state = _directions(3, 3)
    padded = torch.tensor([[7, 8, 9], [5, 0, 0], [0, 0, 0]])
    flat, begins = torch.tensor([7, 8, 9, 5]), torch.tensor([0, 3, 4])
    assert torch.allclose(_unseen().queries(state, 0.1, padded), _unseen().queries(state, 0.1, flat, begins))
