"""Weights found on validation rankings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.evaluation.by_language import overall
from recbole_xlrec.ranking import fuse
from recbole_xlrec.ranking.align import Aligned, to_ranking
from recbole_xlrec.ranking.lists import Lists
from recbole_xlrec.ranking.weights import SEARCHES, fit_weights

Noisy = Callable[..., Aligned]


def ndcg(some: Aligned, lists: Lists, k: int) -> float:
    return overall(to_ranking(lists, some), ["ndcg"], [k])[f"ndcg@{k}"]


@pytest.mark.parametrize("search", SEARCHES)
def test_weights_beat_every_member_and_equal_weights_on_what_they_were_not_fitted_on(search: str, noisy: Noisy) -> None:
    noises = [0.5, 1.0, 4.0]
    found = fit_weights(noisy(600, noises, seed=1), 10, evaluation=None, search=search)
    assert found.weights.sum() == pytest.approx(1)
    assert found.weights[0] > found.weights[1] > found.weights[2] >= 0
    other = noisy(600, noises, seed=2)
    value = ndcg(other, fuse.weighted_sum(other.members, 20, weights=found.weights), 10)
    assert value > max(ndcg(other, member, 10) for member in other.members)
    assert value > ndcg(other, fuse.weighted_sum(other.members, 20, weights=[1, 1, 1]), 10)


@pytest.mark.parametrize("search", SEARCHES)
def test_the_value_is_the_ndcg_of_the_fused_lists_and_never_below_a_members(search: str, noisy: Noisy) -> None:
    some = noisy(200, [0.7, 1.5], seed=3)
    # Two members that say the same make ties; a second target, and one that nobody lists
    targets = np.column_stack([some.targets, some.members[1].items[:, 3], np.full(200, -1)]).astype(np.int32)
    targets[targets[:, 0] == targets[:, 1], 1] = -1
    targets[:20, 2] = 77  # no list holds it
    some = some._replace(
        members=[*some.members, some.members[1]],
        targets=targets,
        item_ids=np.array([f"i{item}" for item in range(78)]),
    )
    for normalisation in ("min_max", "rank"):
        found = fit_weights(some, 5, evaluation=None, search=search, normalisation=normalisation)
        lists = fuse.weighted_sum(some.members, 20, weights=found.weights, normalisation=normalisation)
        assert found.value == pytest.approx(ndcg(some, lists, 5), abs=1e-9)
        for corner in np.eye(3):
            alone = fuse.weighted_sum(some.members, 20, weights=corner, normalisation=normalisation)
            assert found.value >= ndcg(some, alone, 5) - 1e-9
        assert found.tried >= 4


def test_the_same_rankings_give_the_same_weights_and_a_draw_stands_for_all(noisy: Noisy) -> None:
    some = noisy(800, [0.5, 1.0], seed=4)
    one, other = (fit_weights(some, 10, evaluation=None, queries=300) for _ in range(2))
    assert one.weights.tolist() == other.weights.tolist()
    assert one.value == pytest.approx(fit_weights(some, 10, evaluation=None).value, abs=0.05)


def test_a_member_that_says_nothing_new_leaves_equal_weights(noisy: Noisy) -> None:
    some = noisy(50, [0.5], seed=5)
    found = fit_weights(some._replace(members=some.members * 2), 10, evaluation=None)
    assert found.weights.tolist() == [0.5, 0.5]


def test_what_is_judged_is_not_fitted_on(noisy: Noisy) -> None:
    some = noisy(20, [0.5, 1.0])
    with pytest.raises(DataError, match="20 of 20 queries to fit on have a target that the evaluation judges"):
        fit_weights(some, 10, evaluation=to_ranking(some.members[0], some))


def test_what_cannot_be_searched_is_refused(noisy: Noisy) -> None:
    some = noisy(20, [1.0] * 8)
    with pytest.raises(ConfigError, match="a grid for 8 members has 19448 points"):
        fit_weights(some, 10, evaluation=None, search="grid")
    with pytest.raises(ConfigError, match="'nelder_mead'"):
        fit_weights(some, 10, evaluation=None, search="neldermead")
    with pytest.raises(DataError, match="no member lists a target"):
        fit_weights(some._replace(targets=np.full((20, 1), 99, dtype=np.int32)), 10, evaluation=None)
