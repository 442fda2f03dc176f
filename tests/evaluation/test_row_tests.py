"""The tests of a table: who is tested against whom, what the correction counts, which marks appear."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.evaluation.row_tests import compare_by_language, compare_rows
from recbole_xlrec.evaluation.significance import effect_size, holm, paired_bootstrap, paired_permutation

FEW = {"resamples": 500}
QUERIES = 200


def _rows() -> dict[str, NDArray[np.float64]]:
    """`best` is above `second` by little and noisily, `worst` is below both by much."""
    generator = np.random.default_rng(0)
    base = generator.random(QUERIES)
    noise = generator.normal(0, 0.2, QUERIES)
    return {"worst": base - 0.3 + 0.1 * noise, "best": base + 0.01 + noise - noise.mean(), "second": base}


def test_without_a_baseline_each_row_is_tested_against_the_best_other_one() -> None:
    found = compare_rows(_rows(), **FEW)
    assert {name: test.against for name, test in found.items()} == {
        "worst": "best",
        "best": "second",
        "second": "best",
    }
    assert list(found) == ["worst", "best", "second"]
    assert found["best"].difference == pytest.approx(0.01) == -found["second"].difference
    assert found["best"].adjusted_p == found["second"].adjusted_p


def test_with_a_baseline_all_others_are_tested_against_it() -> None:
    found = compare_rows(_rows(), "second", **FEW)
    assert {name: test.against for name, test in found.items()} == {"worst": "second", "best": "second"}


def test_a_row_test_holds_what_the_single_functions_give() -> None:
    rows = _rows()
    found = compare_rows(rows, "second", level=0.9, seed=3, **FEW)["worst"]
    expected = paired_bootstrap(rows["worst"], rows["second"], 500, 0.9, 3)
    assert found[1:4] == expected[:3]
    assert found.p == paired_permutation(rows["worst"], rows["second"], 500, 3)
    assert found.effect == effect_size(rows["worst"], rows["second"])


def test_marks_are_given_to_what_is_significant_after_correction() -> None:
    found = compare_rows(_rows(), "second", **FEW)
    assert (found["worst"].mark, found["best"].mark) == ("-", "")
    assert {name: test.mark for name, test in compare_rows(_rows(), "worst", **FEW).items()} == {
        "best": "+",
        "second": "+",
    }


def test_a_mark_goes_where_the_correction_leaves_too_little() -> None:
    alone = {"a": np.append(np.ones(6), 0), "b": np.zeros(7)}  # p = 2 / 64 by all swaps
    assert compare_rows(alone, "b")["a"].mark == "+"
    assert compare_rows({**alone, "c": alone["a"] + 0.0}, "b")["a"].mark == ""  # 2 tests: 4 / 64


def test_a_baseline_chosen_by_the_data_is_corrected_for_all_pairs() -> None:
    found = compare_rows(_rows(), **FEW)
    raw = [found[name].p for name in ("worst", "best")]
    assert [found[name].adjusted_p for name in ("worst", "best")] == pytest.approx(holm(raw, tests=3))


def test_a_named_baseline_is_corrected_for_the_other_rows() -> None:
    found = compare_rows(_rows(), "second", **FEW)
    raw = [test.p for test in found.values()]
    assert [test.adjusted_p for test in found.values()] == pytest.approx(holm(raw))


def test_by_language_compares_within_the_queries_of_each() -> None:
    rows = _rows()
    languages = np.where(np.arange(QUERIES) < 50, "de", np.where(np.arange(QUERIES) < 60, "", "fr"))
    found = compare_by_language(rows, languages, "second", **FEW)
    assert list(found) == ["de", "fr"]  # queries without a language are in none
    for language in found:
        own = {name: values[languages == language] for name, values in rows.items()}
        alone = compare_rows(own, "second", **FEW)
        assert {name: test[:5] for name, test in found[language].items()} == {k: v[:5] for k, v in alone.items()}


def test_by_language_is_corrected_over_all_languages() -> None:
    rows, languages = _rows(), np.where(np.arange(QUERIES) % 2, "de", "fr")
    tests = [
        test for table in compare_by_language(rows, languages, "second", **FEW).values() for test in table.values()
    ]
    assert [test.adjusted_p for test in tests] == pytest.approx(holm([test.p for test in tests]))
    chosen = compare_by_language(rows, languages, **FEW)
    smallest = min(test.p for table in chosen.values() for test in table.values())
    assert chosen["de"]["worst"].adjusted_p == pytest.approx(6 * smallest)  # 3 pairs in each of 2 languages


def test_a_language_of_one_query_has_no_significant_row() -> None:
    found = compare_by_language({"a": [1.0, 0.9], "b": [0.0, 0.1]}, ["de", "fr"], "b", **FEW)["de"]["a"]
    assert (found.low, found.high, found.p, found.mark) == (1.0, 1.0, 1.0, "")


def test_equal_rows_get_no_mark() -> None:
    same = compare_rows({"a": np.arange(5), "b": np.arange(5)}, **FEW)
    assert [(test.p, test.mark, test.effect) for test in same.values()] == [(1.0, "", 0.0)] * 2


def test_a_single_row_has_nothing_to_be_tested_against() -> None:
    assert compare_rows({"a": [1.0, 2.0]}) == {}
    assert compare_rows({"a": [1.0, 2.0]}, "a") == {}


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="no row is named 'Pop', the baseline; there are 'a', 'b'"):
        compare_rows({"a": [1.0], "b": [2.0]}, "Pop")
    with pytest.raises(DataError, match=r"different numbers of queries: \{'a': 1, 'b': 2\}"):
        compare_rows({"a": [1.0], "b": [2.0, 3.0]})
    with pytest.raises(DataError, match="row 'a' has the values of 1 queries, but there are 2 languages"):
        compare_by_language({"a": [1.0]}, ["de", "fr"])
