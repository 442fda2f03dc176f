from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recbole_xlrec.inspect import measures

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=60)
COUNTS = arrays(np.int64, st.integers(1, 40), elements=st.integers(1, 1000))


def columns(pairs: list[tuple[int, int]]) -> tuple[measures.Array, measures.Array]:
    left, right = np.array(pairs, dtype=np.int32).T
    return left, right


def test_gini_of_known_distributions() -> None:
    assert measures.gini(np.array([5, 5, 5])) == pytest.approx(0)
    assert measures.gini(np.array([1, 3])) == pytest.approx(0.25)  # mean difference 1 over twice the mean 2, halved
    assert measures.gini(np.array([0, 0, 0, 8])) == pytest.approx(0.75)


@settings(max_examples=40)
@given(COUNTS)
def test_gini_is_the_mean_difference_over_twice_the_mean(counts: measures.Array) -> None:
    difference = np.abs(counts[:, None] - counts[None, :]).mean()
    assert measures.gini(counts) == pytest.approx(difference / (2 * counts.mean()), abs=1e-9)


def test_the_top_percents_are_rounded_up_to_whole_items() -> None:
    counts = np.arange(1, 31)  # 30 items, 465 in all
    assert measures.top_share(counts, 1) == 30 / 465
    assert measures.top_share(counts, 10) == (30 + 29 + 28) / 465
    assert measures.top_share(np.append(counts, 0), 10) == (30 + 29 + 28 + 27) / 465


@settings(max_examples=40)
@given(COUNTS)
def test_concentration_rises_ever_more_slowly_from_0_to_1(counts: measures.Array) -> None:
    curve = measures.concentration(counts)
    assert (curve[0], curve[100], len(curve)) == (0, 1, 101)
    assert all(low <= high for low, high in pairwise(curve))
    assert all(held >= place / 100 - 0.5 / len(counts) - 1e-9 for place, held in enumerate(curve))


@settings(max_examples=40)
@given(PAIRS)
def test_groups_met_distinct_pairs_and_majority_agree_with_plain_counting(pairs: list[tuple[int, int]]) -> None:
    keys, groups = columns(pairs)
    met, most = measures.groups_met(keys, groups, 7, 4), measures.majority(keys, groups, 7, 4)
    assert measures.distinct_pairs(keys, groups) == len(set(pairs))
    for key in range(7):
        mine = [group for other, group in pairs if other == key and group]
        assert met[key] == len(set(mine))
        assert most[key] == (max(sorted(set(mine)), key=mine.count) if mine else 0)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([0.0, 1.0, 1.5, 2.0, -3.0, 1e18, float("nan")])),
        min_size=1,
        max_size=40,
    )
)
def test_tied_share_counts_every_interaction_that_has_a_twin_in_time(rows: list[tuple[int, float]]) -> None:
    users, times = np.array([user for user, _ in rows]), np.array([time for _, time in rows])
    tied = sum(rows.count(row) > 1 for row in rows if row[1] == row[1])
    assert measures.tied_share(users, times) == pytest.approx(tied / len(rows))


@settings(max_examples=40)
@given(arrays(np.int64, st.integers(1, 50), elements=st.integers(1, 5000)))
def test_every_length_lies_in_the_bar_that_names_it(lengths: measures.Array) -> None:
    bars = measures.length_bars(lengths)
    for name, count in bars:
        low, _, high = name.partition("–")
        assert count == ((lengths >= int(low)) & (lengths <= int(high or low))).sum()
    assert sum(count for _, count in bars) == len(lengths)


def test_few_values_have_a_bar_each_and_many_share_ten() -> None:
    assert measures.value_bars(np.array([5.0, 0.5, 5.0, np.nan])) == (("0.5", 1), ("5", 2))
    bars = measures.value_bars(np.repeat(np.arange(21.0), 2))
    assert [count for _, count in bars] == [4] * 9 + [6]
    assert bars[0][0] == "0–2"


def test_times_are_counted_by_day_month_or_year_with_the_gaps() -> None:
    day = 86400.0
    start = 1_000_000_000  # 2001-09-09
    assert measures.time_bars(np.array([start, start + 2 * day])) == (
        ("2001-09-09", 1),
        ("2001-09-10", 0),
        ("2001-09-11", 1),
    )
    months = measures.time_bars(np.array([start, start + 100 * day]))
    assert [name for name, _ in months] == ["2001-09", "2001-10", "2001-11", "2001-12"]
    assert measures.time_bars(np.array([start, start + 2000 * day]))[-1] == ("2007", 1)
