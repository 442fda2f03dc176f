"""A weighted sum and trees: how much the trees count, and that they are judged by what they have not learned from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recbole_xlrec.errors import DataError
from recbole_xlrec.evaluation.by_language import overall
from recbole_xlrec.ranking import blend as module
from recbole_xlrec.ranking.align import Aligned, to_ranking
from recbole_xlrec.ranking.blend import fit_blend
from recbole_xlrec.ranking.candidates import Signals
from recbole_xlrec.ranking.fuse import weighted_sum
from recbole_xlrec.ranking.lists import Lists
from recbole_xlrec.ranking.stack import Options

pytest.importorskip("lightgbm")
Noisy = Callable[..., Aligned]
NAMES = ["m0", "m1"]
QUICK = Options(trees=30, least=20)


def ndcg(some: Aligned, lists: Lists) -> float:
    return overall(to_ranking(lists, some), ["ndcg"], [10])["ndcg@10"]


def test_trees_that_see_more_than_the_scores_count(noisy: Noisy) -> None:
    some, other = noisy(400, [2.0, 2.0], seed=1), noisy(300, [2.0, 2.0], seed=2)
    languages = np.arange(60) % 3

    def of(part: Aligned) -> Signals:  # every user's target is of the user's language
        return Signals(item_languages=languages, user_languages=languages[part.targets[:, 0]])

    blend = fit_blend(some, names=NAMES, evaluation=None, signals=of(some), options=QUICK)
    assert blend.share > 0.3
    fused = blend.fused(other.members, 20, names=NAMES, signals=of(other))
    assert ndcg(other, fused) > ndcg(other, weighted_sum(other.members, 20, weights=blend.weights)) + 0.05


def test_trees_that_learned_by_heart_do_not_count(noisy: Noisy) -> None:
    some = noisy(60, [0.7, 9.0])
    eager = Options(trees=100, leaves=60, least=1, holdout=0)
    noise = np.random.default_rng(0).normal(size=(60, 2))
    signals = Signals(popularity=noise[:, 0], recency=noise[:, 1])
    blend = fit_blend(some, names=NAMES, evaluation=None, signals=signals, options=eager)
    assert blend.share <= 0.2
    if blend.stack is None:
        fused = blend.fused(some.members, 20, names=NAMES, signals=signals)
        np.testing.assert_array_equal(fused.items, weighted_sum(some.members, 20, weights=blend.weights).items)


def test_the_share_is_fitted_to_lists_of_users_that_the_trees_have_not_seen(
    noisy: Noisy, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = noisy(120, [0.7, 2.0])
    some = some._replace(query_ids=np.repeat(some.query_ids[:40], 3))  # three queries a user
    learned: list[set[str]] = []
    real = module.fit_stack
    monkeypatch.setattr(
        module, "fit_stack", lambda part, **options: learned.append(set(part.query_ids)) or real(part, **options)
    )
    blend = fit_blend(some, names=NAMES, evaluation=None, options=QUICK)
    users = set(some.query_ids)
    left_out = [users - each for each in learned[: module.FOLDS]]
    assert [len(each) for each in left_out] == [10] * 4
    assert set().union(*left_out) == users
    assert len(learned) == module.FOLDS + (blend.stack is not None)


def test_what_is_judged_is_not_fitted_on(noisy: Noisy) -> None:
    some = noisy(60, [0.7, 2.0])
    with pytest.raises(DataError, match="60 of 60 queries to fit on"):
        fit_blend(some, names=NAMES, evaluation=to_ranking(some.members[0], some), options=QUICK)
