from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_xlrec.data.coin import choices, tosses

TYPES = {"user_id": "token", "item_id": "token", "rating": "float", "timestamp": "float"}
KEY = ["user_id", "item_id", "timestamp"]


def _rows(users: int = 100, items: int = 100) -> pd.DataFrame:
    pairs = pd.MultiIndex.from_product([map(str, range(users)), map(str, range(items))], names=KEY[:2])
    return pairs.to_frame(index=False).assign(rating=3.0, timestamp=lambda rows: np.arange(len(rows)) // 7)


def _tosses(rows: pd.DataFrame, seed: int = 1, part: str = "") -> np.ndarray:
    return tosses(rows, KEY, TYPES, seed, part)


def test_coins_are_even_and_those_of_one_user_one_item_and_one_time_are_independent() -> None:
    tossed = _tosses(_rows())
    assert tossed.min() >= 0
    assert tossed.max() < 1
    counts = np.histogram(tossed, bins=20, range=(0, 1))[0]
    assert ((counts - 500) ** 2 / 500).sum() < 43.8  # chi-squared with 19 degrees of freedom: p = 0.001
    fair = tossed.reshape(100, 100) < 0.5  # (users, items)
    for axis in (0, 1):
        spread = fair.mean(axis=axis).std()
        assert 0.035 < spread < 0.065  # binomial: sqrt(.25 / 100) = .05
    assert abs(np.corrcoef(tossed[:-1], tossed[1:])[0, 1]) < 0.05


def test_coins_of_other_seeds_and_other_parts_are_independent() -> None:
    tossed = [_tosses(_rows(), seed, part) for seed, part in ((1, ""), (2, ""), (11, ""), (1, "train"), (1, "test"))]
    correlations = np.corrcoef(tossed) - np.eye(len(tossed))
    assert abs(correlations).max() < 0.05


def test_a_coin_stays_when_rows_move_come_and_go() -> None:
    rows, tossed = _rows(), _tosses(_rows())
    order = np.random.default_rng(0).permutation(len(rows))[:500]
    assert (_tosses(rows.iloc[order]) == tossed[order]).all()


def test_repeated_interactions_have_a_coin_each_whatever_their_order() -> None:
    rows = pd.DataFrame({"user_id": "u", "item_id": "i", "rating": [1.0, 2.0, 3.0, 3.0], "timestamp": np.nan})
    tossed = _tosses(rows)
    assert len(set(tossed)) == 4
    turned = _tosses(rows.iloc[::-1])[::-1]
    assert (turned[:2] == tossed[:2]).all()
    assert set(turned[2:]) == set(tossed[2:])


def test_the_borders_between_cells_count() -> None:
    rows = pd.DataFrame({"user_id": ["1", "11"], "item_id": ["12", "2"], "timestamp": 0.0})
    assert len(set(_tosses(rows))) == 2


@pytest.mark.parametrize("share, languages", [(0.5, 2), (0.1, 2), (0.5, 3), (0.2, 5)])
def test_the_languages_after_the_first_have_the_share_between_them(share: float, languages: int) -> None:
    there = np.ones((10_000, languages), dtype=bool)
    found = np.bincount(choices(_tosses(_rows()), there, share), minlength=languages) / 10_000
    for place, wanted in enumerate([1 - share, *[share / (languages - 1)] * (languages - 1)]):
        assert abs(found[place] - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / 10_000)


def test_shares_of_none_and_of_all_leave_nothing_to_chance() -> None:
    tossed, both = np.array([0.0, 0.3, 1 - 2.0**-53]), np.ones((3, 2), dtype=bool)
    assert choices(tossed, both, 0.0).tolist() == [0, 0, 0]
    assert choices(tossed, both, 1.0).tolist() == [1, 1, 1]
    last = np.array([[False, True, True]] * 3)
    assert choices(tossed, last, 0.0).tolist() == [1, 1, 2]


@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 7)), min_size=1),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_choice_is_a_language_that_is_there_and_two_languages_nest(
    rows: list[tuple[float, int]], less: float, more: float
) -> None:
    tossed = np.array([toss for toss, _ in rows])
    there = np.array([[bool(mask & 1), bool(mask & 2), bool(mask & 4)] for _, mask in rows])
    assert there[np.arange(len(rows)), choices(tossed, there, less)].all()
    both = np.ones((len(rows), 2), dtype=bool)
    less, more = sorted((less, more))
    assert (choices(tossed, both, less) <= choices(tossed, both, more)).all()
