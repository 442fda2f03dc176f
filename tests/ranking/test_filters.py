"""Filters, and what they say they took."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.ranking import filters
from recbole_xlrec.ranking import lists as blocks
from recbole_xlrec.ranking.filters import Filter, filtered
from recbole_xlrec.ranking.lists import Lists

Make = Callable[..., Lists]
Shown = Callable[[Lists], list[list[int]]]
LANGUAGES = ["de", "de", "fr", ["de", "fr"], ""]


def left(lists: Lists, *some: Filter) -> list[list[int]]:
    return [[int(item) for item in row if item >= 0] for row in filtered(lists, some).lists.items]


def test_what_the_user_consumed_is_taken_and_what_others_did_is_not(
    make_lists: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = make_lists([[0, 1, 2], [2, 1], [0]])
    consumed = filters.not_consumed(np.array([0, 2, 2, 3]), np.array([2, 0, 0]))
    assert left(some, consumed) == [[1], [2, 1], []]
    monkeypatch.setattr(blocks, "CELLS", 1)
    assert left(some, consumed) == [[1], [2, 1], []]
    with pytest.raises(DataError, match="histories of 1 queries, and lists of 3"):
        filtered(some, [filters.not_consumed(np.array([0, 1]), np.array([1]))])


def test_unavailable_items_are_taken(make_lists: Make) -> None:
    assert left(make_lists([[0, 1, 2]]), filters.available(np.array([True, False, True]))) == [[0, 2]]
    with pytest.raises(DataError, match="'unavailable' knows 2 items; the lists hold item 2"):
        filtered(make_lists([[0, 1, 2]]), [filters.available(np.array([True, False]))])


@pytest.mark.parametrize("make", [filters.by_language, filters.by_market, filters.by_category])
def test_values_are_allowed_and_denied_and_an_item_may_have_several(
    make: Callable[..., Filter], make_lists: Make
) -> None:
    some = make_lists([[4, 3, 2, 1, 0]])
    assert left(some, make(LANGUAGES, allow=["fr"])) == [[3, 2]]
    assert left(some, make(LANGUAGES, deny=["fr"])) == [[4, 1, 0]]
    assert left(some, make(LANGUAGES, allow=["de", "fr"], deny=["fr"])) == [[1, 0]]
    assert left(some, make(LANGUAGES, allow=[])) == [[]]


def test_a_value_that_no_item_has_and_a_bare_string_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"no item has the language 'fra'\. Did you mean 'fr'"):
        filters.by_language(LANGUAGES, allow=["fra"])
    with pytest.raises(ConfigError, match=r"allow of the language filter must be a list, found 'fr'"):
        filters.by_language(LANGUAGES, allow="fr")


def test_one_edition_of_a_work_stays_the_one_that_stands_highest(make_lists: Make) -> None:
    works = np.array([7, 7, 3, 7, -1, -1])
    assert left(make_lists([[3, 4, 0, 2, 5, 1], [1, 0]]), filters.one_edition(works)) == [[3, 4, 2, 5], [1]]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=8, unique=True), min_size=1, max_size=4))
def test_one_edition_changes_nothing_but_duplicates(make_lists: Make, listed: list[list[int]]) -> None:
    works = np.array([0, 0, 0, 1, 1, 2, 3, 4, -1, -1])
    wanted = []
    for row in listed:
        seen: set[int] = set()
        wanted.append([i for i in row if works[i] < 0 or not (works[i] in seen or seen.add(int(works[i])))])
    assert left(make_lists(listed, k=8), filters.one_edition(works)) == wanted


def test_old_items_are_taken_and_those_of_unknown_time_stay(make_lists: Make) -> None:
    times = np.array([2000, 2010, np.nan, 2020])
    assert left(make_lists([[0, 1, 2, 3]]), filters.not_older(times, now=2020, age=10)) == [[1, 2, 3]]
    with pytest.raises(ConfigError, match="0 or more; found -1"):
        filters.not_older(times, now=2020, age=-1)


def test_a_predicate_of_ones_own_decides(make_lists: Make) -> None:
    odd = filters.custom("odd", lambda items: items % 2 == 1)
    assert left(make_lists([[0, 1, 2, 3], [2]]), odd) == [[1, 3], []]
    with pytest.raises(DataError, match=r"'odd' gave int32 \(2, 4\); it must give booleans \(2, 4\)"):
        filtered(make_lists([[0, 1, 2, 3], [2]]), [filters.custom("odd", lambda items: items % 2)])


def test_a_filter_that_leaves_nothing_says_so_and_the_rest_is_returned(
    make_lists: Make, shown: Shown, caplog: pytest.LogCaptureFixture
) -> None:
    some = make_lists([[0, 1], [1], [2, 0], []])
    first = filters.available(np.array([True, False, True]))
    second = filters.custom("not two", lambda items: items != 2)
    with caplog.at_level(logging.WARNING):
        result = filtered(some, [first, second])
    assert shown(result.lists) == [[0], [], [0], []]
    assert result.removed == {"unavailable": 2, "not two": 1}
    assert result.emptied["unavailable"].tolist() == [1]
    assert result.emptied["not two"].tolist() == []
    assert result.message() == "unavailable: nothing left for 1 queries"
    assert "unavailable: nothing left for 1 queries" in caplog.text
    with pytest.raises(ConfigError, match="a name of its own"):
        filtered(some, [first, first])


def test_what_stays_keeps_its_score_and_moves_up(make_lists: Make) -> None:
    out = filtered(make_lists([[3, 4, 5]]), [filters.custom("no 4", lambda items: items != 4)]).lists
    assert out.items.tolist() == [[3, 5, -1]]
    assert out.scores.tolist() == [[3.0, 1.0, -np.inf]]
