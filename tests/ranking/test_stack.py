"""Stacking: what it learns, what it never sees, and its file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.evaluation.by_language import overall
from recbole_xlrec.ranking.align import Aligned, align, to_ranking
from recbole_xlrec.ranking.candidates import Signals, candidates, feature_names
from recbole_xlrec.ranking.leakage import unjudged
from recbole_xlrec.ranking.lists import Lists
from recbole_xlrec.ranking.ranking import Ranking
from recbole_xlrec.ranking.stack import Options, Stack, fit_stack, load_stack

lightgbm = pytest.importorskip("lightgbm")
Noisy = Callable[..., Aligned]
Make = Callable[..., Lists]
QUICK = Options(trees=40, least=20)


def ndcg(some: Aligned, lists: Lists) -> float:
    return overall(to_ranking(lists, some), ["ndcg"], [10])["ndcg@10"]


def fitted(some: Aligned, **options: object) -> Stack:
    names = [f"m{place}" for place in range(len(some.members))]
    return fit_stack(some, names=names, evaluation=None, **{"options": QUICK, **options})  # type: ignore[arg-type]


def test_a_stack_beats_every_member_on_queries_it_has_not_seen(noisy: Noisy) -> None:
    stack, other = fitted(noisy(500, [0.7, 0.9, 5.0], seed=1)), noisy(400, [0.7, 0.9, 5.0], seed=2)
    value = ndcg(other, stack.fused(other.members, 20, names=["m0", "m1", "m2"]))
    assert value > max(ndcg(other, member) for member in other.members) + 0.02
    gains = stack.importance()
    assert sum(gains.values()) == pytest.approx(1)
    assert sum(v for name, v in gains.items() if name.startswith("m2")) < 0.2


def test_a_signal_that_the_members_lack_is_learned(noisy: Noisy) -> None:
    some, other = noisy(500, [3.0, 3.0], seed=1), noisy(300, [3.0, 3.0], seed=2)
    languages = np.arange(60) % 3

    def of(part: Aligned) -> Signals:  # every user's target is of the user's language
        return Signals(item_languages=languages, user_languages=languages[part.targets[:, 0]])

    without = fitted(some).fused(other.members, 20, names=["m0", "m1"])
    with_it = fitted(some, signals=of(some)).fused(other.members, 20, names=["m0", "m1"], signals=of(other))
    assert ndcg(other, with_it) > ndcg(other, without) + 0.05


def test_a_stack_comes_back_from_its_text_file_as_it_was(noisy: Noisy, tmp_path: Path) -> None:
    some = noisy(200, [0.7, 2.0])
    stack = fit_stack(some, names=["a model", "modèle:2"], evaluation=None, options=QUICK)
    stack.save(tmp_path / "stack.txt")
    assert (tmp_path / "stack.txt").read_text(encoding="utf-8").startswith("tree\n")
    back = load_stack(tmp_path / "stack.txt")
    assert back.features == stack.features
    one, other = (each.fused(some.members, 9, names=["a model", "modèle:2"], workers=2) for each in (stack, back))
    np.testing.assert_array_equal(one.items, other.items)
    np.testing.assert_array_equal(one.scores, other.scores)


def test_two_fits_on_the_same_candidates_give_the_same_trees(noisy: Noisy) -> None:
    some = noisy(200, [0.7, 2.0])
    one, other = (fitted(some).booster.model_to_string() for _ in range(2))
    assert one == other


def test_what_is_judged_is_not_fitted_on_and_users_of_both_splits_are_no_leak(noisy: Noisy) -> None:
    some = noisy(60, [0.7])
    judged = to_ranking(some.members[0], some)
    with pytest.raises(DataError, match="60 of 60 queries to fit on have a target that the evaluation judges: 'u0-0'"):
        fit_stack(some, names=["m"], evaluation=judged, options=QUICK)
    # Leave-one-out: the same users, other targets
    targets = judged.target_ids.copy()
    targets[1:, 0] = "i-later"
    one_left = Ranking.of(judged.query_ids, judged.item_ids, judged.scores, targets, judged.languages)
    with pytest.raises(DataError, match=r"1 of 60 queries .*'u0-0'"):
        fit_stack(some, names=["m"], evaluation=one_left, options=QUICK)
    without = unjudged(some, one_left)
    assert without.query_ids.tolist() == some.query_ids[1:].tolist()
    assert fit_stack(without, names=["m"], evaluation=one_left, options=QUICK).features[0] == "m_rank"


def test_fusing_sees_no_target(noisy: Noisy) -> None:
    some = noisy(100, [0.7, 2.0])
    stack = fitted(some)
    saved = [to_ranking(member, some) for member in some.members]
    other = align([each._replace(targets=saved[0].items[:, -1:]) for each in saved], item_ids=some.item_ids)
    one = stack.fused(some.members, 10, names=["m0", "m1"])
    np.testing.assert_array_equal(one.items, stack.fused(other.members, 10, names=["m0", "m1"]).items)


def test_trees_are_chosen_by_users_that_are_not_learned_from(noisy: Noisy, monkeypatch: pytest.MonkeyPatch) -> None:
    some = noisy(300, [0.7, 2.0])
    some = some._replace(query_ids=np.repeat(some.query_ids[:100], 3))  # three queries a user
    seen = []
    from recbole_xlrec.ranking import stack as module

    real = module._data
    monkeypatch.setattr(module, "_data", lambda lib, part, rows, *a: seen.append(rows) or real(lib, part, rows, *a))
    fitted(some)
    learned, chosen = (set(some.query_ids[rows]) for rows in seen)
    assert learned
    assert chosen
    assert not learned & chosen


def test_features_of_candidates_by_hand(make_lists: Make) -> None:
    members = [make_lists([[4, 2], []], [[3.0, 1.0], []], k=2), make_lists([[2], [1]], [[7.0], [5.0]])]
    signals = Signals(
        item_languages=np.array([0, 0, 1, 0, -1]),
        user_languages=np.array([1, 1]),
        popularity=np.arange(5) * 10,
        recency=np.array([5.0, 4, 3, 2, np.nan]),
        user_vectors=np.array([[1.0, 0], [0, 2]]),
        item_vectors=np.array([[0, 0], [0, 1], [1, 1], [0, 0], [0, 0.0]]),
    )
    found = candidates(members, signals)
    assert found.rows.tolist() == [0, 0, 1]
    assert found.items.tolist() == [2, 4, 1]
    nan, half = np.nan, 2**-0.5
    np.testing.assert_allclose(
        found.features,
        [
            [2, 1, 0, 1, 1, 7, 0, 1, 2, 1 / 61 + 1 / 62, 1, 20, 3, half],
            [1, 3, 1, 1, nan, nan, nan, 0, 1, 1 / 61, nan, 40, nan, 0],
            [nan, nan, nan, 0, 1, 5, 0, 1, 1, 1 / 61, 0, 10, 4, 1],
        ],
        rtol=1e-6,
    )
    assert len(feature_names(["a", "b"], signals)) == found.features.shape[1]


def test_members_and_signals_that_are_not_those_of_the_fit_are_refused(noisy: Noisy) -> None:
    some = noisy(100, [0.7, 2.0])
    stack = fitted(some)
    with pytest.raises(DataError, match="missing 'm0_rank'"):
        stack.fused(some.members, 5, names=["x", "m1"])
    with pytest.raises(DataError, match="fitted on other features"):
        stack.fused(some.members[::-1], 5, names=["m1", "m0"])
    with pytest.raises(DataError, match="not known 'popularity'"):
        stack.fused(some.members, 5, names=["m0", "m1"], signals=Signals(popularity=np.ones(60)))
    with pytest.raises(DataError, match="popularity are of 3 items"):
        fitted(some, signals=Signals(popularity=np.ones(3)))
    with pytest.raises(DataError, match="user_languages are of 2 queries, and there are 100"):
        fitted(some, signals=Signals(item_languages=np.ones(60), user_languages=np.ones(2)))
    with pytest.raises(DataError, match="give both or neither"):
        fitted(some, signals=Signals(item_languages=np.ones(60)))
    with pytest.raises(ConfigError, match="as many different names"):
        fit_stack(some, names=["a b", "a:b"], evaluation=None)
    with pytest.raises(DataError, match="nothing to learn from"):
        fitted(some._replace(targets=np.full((100, 1), 99, dtype=np.int32)))


def test_a_file_that_is_no_model_is_refused(noisy: Noisy, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_stack(tmp_path / "stack.txt")
    fitted(noisy(100, [0.7])).save(tmp_path / "stack.txt")
    whole = (tmp_path / "stack.txt").read_bytes()
    for broken in (b"", b"\x80\x04pickle", whole[: len(whole) // 2], whole[5:]):
        (tmp_path / "broken.txt").write_bytes(broken)
        with pytest.raises(DataError, match="Fit the stack again"):
            load_stack(tmp_path / "broken.txt")


def test_without_lightgbm_the_command_to_type_is_named(noisy: Noisy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(ConfigError, match=r"pip install 'recbole_xlrec\[stack\]'"):
        fitted(noisy(30, [0.7]))
    with pytest.raises(ConfigError, match=r"pip install 'recbole_xlrec\[stack\]'"):
        load_stack("stack.txt")
