"""Seeds and rows brought together by query id."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_xlrec.errors import DataError
from recbole_xlrec.evaluation.pairing import pair_rows, stack_seeds


def test_seeds_of_the_same_queries_are_averaged_query_by_query() -> None:
    row = stack_seeds([[1, 2, 3], [30, 10, 20]], [["a", "b", "c"], ["c", "a", "b"]], [["de", "fr", "de"], [""] * 3])
    assert row.ids.tolist() == ["a", "b", "c"]
    assert row.values == pytest.approx([5.5, 11, 16.5])
    assert row.languages.tolist() == ["de", "fr", "de"]


def test_seeds_of_other_queries_stand_one_after_the_other() -> None:
    row = stack_seeds([[1, 2], [3, 4]], [["a", "b"], ["b", "c"]], [["de", "fr"], ["fr", "it"]])
    assert row.values.tolist() == [1, 2, 3, 4]
    assert row.languages.tolist() == ["de", "fr", "fr", "it"]
    assert len(set(row.ids)) == 4
    other = stack_seeds([[20, 10], [40, 30]], [["b", "a"], ["c", "b"]])
    assert pair_rows({"one": row, "other": other})["other"].tolist() == [10, 20, 30, 40]


def test_a_users_first_query_belongs_to_the_first_one_of_another_seed() -> None:
    row = stack_seeds([[1, 2, 3], [10, 30, 20]], [["a", "b", "a"], ["a", "a", "b"]])
    assert row.values == pytest.approx([5.5, 11, 16.5])


def test_a_row_of_one_seed_is_paired_with_one_of_several() -> None:
    several = stack_seeds([[1, 2], [3, 4]], [["a", "b"], ["a", "b"]])
    assert pair_rows({"several": several, "one": stack_seeds([[7, 8]], [["b", "a"]])})["one"].tolist() == [8, 7]


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12), st.randoms())
def test_pairing_undoes_any_order_of_the_queries(ids: list[str], random: np.random.Generator) -> None:
    names = [f"{name}{ids[:place].count(name)}" for place, name in enumerate(ids)]  # a query each
    order = list(range(len(ids)))
    random.shuffle(order)
    first = stack_seeds([np.arange(len(ids))], [names])
    other = stack_seeds([order], [[names[place] for place in order]])
    assert pair_rows({"first": first, "other": other})["other"].tolist() == list(range(len(ids)))


@pytest.mark.parametrize("ids, told", [(["a", "x", "y"], (2, 2)), (["a", "b"], (1, 0)), (["a", "b", "b"], (1, 1))])
def test_rows_of_other_queries_are_refused_with_their_number(ids: list[str], told: tuple[int, int]) -> None:
    rows = {"XLEASE": stack_seeds([[1, 2, 3]], [["a", "b", "c"]]), "Pop": stack_seeds([range(len(ids))], [ids])}
    with pytest.raises(DataError, match=rf"'XLEASE' \(3 queries\) and 'Pop' \({len(ids)}\).*") as error:
        pair_rows(rows)
    assert f"{told[0]} only in 'XLEASE'" in str(error.value)
    assert f"{told[1]} only in 'Pop'" in str(error.value)


def test_an_averaged_row_is_not_paired_with_a_stacked_one() -> None:
    averaged = stack_seeds([[1, 2], [3, 4]], [["a", "b"]] * 2)
    stacked = stack_seeds([[1, 2], [3, 4]], [["a", "b"], ["a", "c"]])
    with pytest.raises(DataError, match=re.escape("(2 queries) and 'stacked' (4)")):
        pair_rows({"averaged": averaged, "stacked": stacked})


def test_no_rows_make_no_pairs() -> None:
    assert pair_rows({}) == {}


def test_seeds_whose_arrays_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="at least one seed"):
        stack_seeds([], [])
    with pytest.raises(DataError, match=re.escape("differ in length: [[2, 2], [2, 1], [2, 2]]")):
        stack_seeds([[1, 2], [3, 4]], [["a", "b"], ["a"]])
    with pytest.raises(DataError, match=re.escape("differ in length: [[2], [2], [1]]")):
        stack_seeds([[1, 2]], [["a", "b"]], [["de"]])
    with pytest.raises(DataError, match="1 of 2 queries have no finite value"):
        stack_seeds([[1, float("nan")]], [["a", "b"]])
