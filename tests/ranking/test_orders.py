"""Lists mixed by language, calibrated and diversified."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.ranking import lists as blocks
from recbole_xlrec.ranking.calibrate import SMOOTHING, calibrated, language_mix, miscalibration
from recbole_xlrec.ranking.diversify import mmr
from recbole_xlrec.ranking.interleave import language_round_robin, quota
from recbole_xlrec.ranking.lists import Lists

Make = Callable[..., Lists]
Shown = Callable[[Lists], list[list[int]]]

#: Items 0 to 5 are of language 0, 6 to 8 of 1, 9 of 2, and 10 of none.
LANGUAGES = np.array([0] * 6 + [1] * 3 + [2] + [-1])


def random_lists(queries: int, n: int, items: int, seed: int = 0) -> Lists:
    rng = np.random.default_rng(seed)
    listed = rng.permuted(np.tile(np.arange(items, dtype=np.int32), (queries, 1)), axis=1)[:, :n]
    return Lists(listed, -np.sort(-rng.random((queries, n)), axis=1).astype(np.float32))


def test_languages_take_turns_in_the_order_in_which_they_first_stand(make_lists: Make, shown: Shown) -> None:
    made = language_round_robin(make_lists([[6, 0, 1, 7, 10, 2], [9]]), 5, item_languages=LANGUAGES)
    assert shown(made) == [[6, 0, 10, 7, 1], [9]]


def test_a_quota_gives_each_language_its_places_and_keeps_the_order(make_lists: Make, shown: Shown) -> None:
    some = make_lists([[0, 1, 2, 3, 6, 7, 9, 10]])
    made = quota(some, 4, item_languages=LANGUAGES, shares=np.array([0.5, 0.25, 0.25]))
    assert shown(made) == [[0, 1, 6, 9]]
    assert made.scores.tolist() == [[8.0, 7.0, 4.0, 2.0]]


def test_places_that_a_language_cannot_fill_go_to_the_best_of_the_rest(make_lists: Make, shown: Shown) -> None:
    some = make_lists([[0, 10, 1, 2, 6]])
    assert shown(quota(some, 4, item_languages=LANGUAGES, shares=np.array([0, 0.5, 0.5]))) == [[0, 10, 1, 6]]


def test_each_user_may_have_shares_and_left_over_places_go_to_the_largest_remainders(
    make_lists: Make, shown: Shown
) -> None:
    some = make_lists([[0, 1, 2, 6, 7, 9]] * 2)
    shares = np.array([[0.45, 0.35, 0.2], [0.0, 0.0, 1.0]])  # of 3 places 1.35, 1.05 and 0.6
    assert shown(quota(some, 3, item_languages=LANGUAGES, shares=shares)) == [[0, 6, 9], [0, 1, 9]]


def test_shares_that_are_none_are_refused(make_lists: Make) -> None:
    some = make_lists([[0, 9]])
    for shares in ([-0.1, 0.5, 0.5], [0.6, 0.5, 0.1]):
        with pytest.raises(DataError, match="sum to 1"):
            quota(some, 2, item_languages=LANGUAGES, shares=np.array(shares))
    with pytest.raises(DataError, match="shares of 2 languages"):
        quota(some, 2, item_languages=LANGUAGES, shares=np.array([0.5, 0.5]))
    with pytest.raises(DataError, match="shares of 3 queries"):
        quota(some, 2, item_languages=LANGUAGES, shares=np.full((3, 3), 0.3))


def test_a_users_mix_is_the_share_of_each_language_in_the_history() -> None:
    mix = language_mix(np.array([0, 4, 4, 5]), np.array([0, 1, 6, 10, 10]), LANGUAGES, 3)
    np.testing.assert_allclose(mix, [[2 / 3, 1 / 3, 0], [0, 0, 0], [0, 0, 0]])


def test_a_list_of_exactly_the_users_mix_is_not_miscalibrated(make_lists: Make) -> None:
    some = make_lists([[0, 6], [0, 6], [0, 1], []])
    mix = np.array([[0.5, 0.5, 0], [0, 0, 0], [0.5, 0.5, 0], [0, 1.0, 0]])
    found = miscalibration(some, item_languages=LANGUAGES, mix=mix)
    half = 0.5 * np.log(0.5 / (0.99 + SMOOTHING / 2)) + 0.5 * np.log(0.5 / (SMOOTHING / 2))
    np.testing.assert_allclose(found, [0, 0, half, -np.log(SMOOTHING)])


def test_calibration_chooses_as_the_definition_does(make_lists: Make) -> None:
    rng = np.random.default_rng(5)
    some = random_lists(20, 8, 11)
    mix = rng.dirichlet(np.ones(3), 20)
    for tradeoff in (0.0, 0.3, 0.8, 1.0):
        made = calibrated(some, 5, item_languages=LANGUAGES, mix=mix, tradeoff=tradeoff)
        for row in range(20):
            assert made.items[row].tolist() == by_definition(some.rows(slice(row, row + 1)), mix[row], 5, tradeoff)


def by_definition(one: Lists, p: np.ndarray, k: int, tradeoff: float) -> list[int]:
    """Steck's greedy choice, one candidate after the other."""
    listed, raw = one.items[0].tolist(), one.scores[0].astype(float)
    s = dict(zip(listed, (raw - raw.min()) / (raw.max() - raw.min()), strict=True))

    def worth(chosen: list[int]) -> float:
        q = np.array([sum(LANGUAGES[i] == g for i in chosen) / len(chosen) for g in range(3)])
        divergence = float((p * np.log(p / ((1 - SMOOTHING) * q + SMOOTHING * p))).sum())
        return (1 - tradeoff) * sum(s[i] for i in chosen) - tradeoff * divergence

    chosen: list[int] = []
    for _ in range(k):
        left = [i for i in listed if i not in chosen]
        values = [worth([*chosen, i]) for i in left]
        chosen.append(next(i for i, value in zip(left, values, strict=True) if value >= max(values) - 1e-12))
    return chosen


def test_the_more_calibration_the_smaller_the_gap_to_the_users_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    languages = np.random.default_rng(1).integers(0, 3, 200)
    some, mix = random_lists(300, 100, 200), np.random.default_rng(2).dirichlet(np.ones(3), 300)
    monkeypatch.setattr(blocks, "CELLS", 5000)
    gaps = [
        miscalibration(
            calibrated(some, 10, item_languages=languages, mix=mix, tradeoff=t), item_languages=languages, mix=mix
        ).mean()
        for t in (0.0, 0.5, 0.9, 1.0)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.1 * gaps[0]


def test_a_user_without_a_mix_keeps_the_list(make_lists: Make, shown: Shown) -> None:
    some = make_lists([[6, 0, 9, 10], [3]])
    made = calibrated(some, 3, item_languages=LANGUAGES, mix=np.zeros((2, 3)), tradeoff=0.5)
    assert shown(made) == [[6, 0, 9], [3]]


def test_a_calibration_that_does_not_fit_is_refused(make_lists: Make) -> None:
    some = make_lists([[6, 9]])
    with pytest.raises(ConfigError, match="between 0 and 1; found 2"):
        calibrated(some, 2, item_languages=LANGUAGES, mix=np.zeros((1, 3)), tradeoff=2)
    for mix in (np.zeros((2, 3)), np.zeros((1, 2))):
        with pytest.raises(DataError, match="1 queries and languages up to 2"):
            calibrated(some, 2, item_languages=LANGUAGES, mix=mix)


def test_marginal_relevance_passes_over_what_is_alike(make_lists: Make, shown: Shown) -> None:
    vectors = np.array([[1.0, 0], [2, 0.1], [0, 3], [0, 0]])
    some = make_lists([[0, 1, 2, 3]], [[1.0, 0.9, 0.5, 0.0]])
    assert shown(mmr(some, 4, vectors=vectors, relevance=0.5)) == [[0, 2, 3, 1]]
    assert shown(mmr(some, 3, vectors=vectors, relevance=1.0)) == [[0, 1, 2]]
    assert mmr(some, 2, vectors=vectors, relevance=0.5).scores.tolist() == [[1.0, 0.5]]


def test_marginal_relevance_chooses_as_the_definition_does() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(11, 4))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    some = random_lists(30, 7, 11)
    made = mmr(some, 5, vectors=vectors, relevance=0.6)
    for items, scores, found in zip(some.items, some.scores.astype(float), made.items, strict=True):
        s = (scores - scores.min()) / (scores.max() - scores.min())
        chosen: list[int] = []
        for _ in range(5):
            worth = {
                place: 0.6 * s[place] - 0.4 * max((unit[item] @ unit[items[c]] for c in chosen), default=0.0)
                for place, item in enumerate(items)
                if place not in chosen
            }
            chosen.append(max(worth, key=worth.__getitem__))
        assert found.tolist() == items[chosen].tolist()


def test_marginal_relevance_that_does_not_fit_is_refused(make_lists: Make) -> None:
    with pytest.raises(ConfigError, match="found -1"):
        mmr(make_lists([[0]]), 1, vectors=np.ones((1, 2)), relevance=-1)
    with pytest.raises(DataError, match="item 5 is listed"):
        mmr(make_lists([[5]]), 1, vectors=np.ones((5, 2)))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 10), max_size=8, unique=True), min_size=1, max_size=3), st.integers(1, 9))
def test_an_order_lists_items_of_the_list_once_and_empty_places_last(
    make_lists: Make, shown: Shown, listed: list[list[int]], k: int
) -> None:
    some = make_lists(listed, k=8)
    shares, mix = np.array([0.2, 0.3, 0.5]), np.full((len(listed), 3), 1 / 3)
    for made in (
        language_round_robin(some, k, item_languages=LANGUAGES),
        quota(some, k, item_languages=LANGUAGES, shares=shares),
        calibrated(some, k, item_languages=LANGUAGES, mix=mix),
        mmr(some, k, vectors=np.eye(11), relevance=0.5),
    ):
        assert made.items.shape == (len(listed), k)
        for items, wanted, row in zip(shown(made), listed, range(len(listed)), strict=True):
            assert len(set(items)) == len(items) == min(k, len(wanted))
            assert set(items) <= set(wanted)
            assert (made.items[row, len(items) :] == -1).all()
            assert (made.scores[row, len(items) :] == -np.inf).all()


def test_a_list_of_one_language_stays_as_it_is(make_lists: Make) -> None:
    for order in permutations([0, 1, 2]):
        some = make_lists([list(order)])
        assert language_round_robin(some, 3, item_languages=LANGUAGES).items.tolist() == [list(order)]
        assert calibrated(some, 3, item_languages=LANGUAGES, mix=np.array([[0.2, 0.8, 0.0]])).items.tolist() == [
            list(order)
        ]
