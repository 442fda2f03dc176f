from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import normalize

from recbole_xlrec.errors import XLRecError
from recbole_xlrec.model.text_rows import counterparts, feature_rows, lexical_rows, stack

# --- n-grams and features --------------------------------------------------------------------------------------------


def test_lexical_rows_have_length_one_and_an_empty_text_is_zero() -> None:
    rows = lexical_rows(["black cat", "", "black lorry"], (2, 4))
    lengths = np.sqrt(rows.multiply(rows).sum(axis=1)).A1
    np.testing.assert_allclose(lengths, [1, 0, 1], atol=1e-6)


def test_texts_with_more_in_common_are_nearer() -> None:
    rows = lexical_rows(["black cat", "black cats", "grey lorry"], (1, 4)).toarray()
    assert rows[0] @ rows[1] > rows[0] @ rows[2]


def test_feature_rows_weigh_rare_values_more_and_an_item_without_any_is_zero() -> None:
    rows = feature_rows([["drama", "war"], ["drama"], ["drama"], [""], []]).toarray()
    assert rows.shape == (5, 2)
    assert rows[0, 1] > rows[0, 0] > 0  # columns in alphabetical order: drama, war
    np.testing.assert_allclose((rows**2).sum(axis=1), [1, 1, 1, 0, 0], atol=1e-6)


def test_feature_values_are_taken_whole_and_as_they_are_written() -> None:
    assert feature_rows([["Film Noir"], ["film noir"], ["NA"]]).shape == (3, 3)


def test_a_feature_that_no_item_has_is_a_clear_error() -> None:
    with pytest.raises(XLRecError, match="no item has a value"):
        feature_rows([[""], []])


def test_blocks_stand_side_by_side_with_their_weights() -> None:
    one, two = sp.csr_matrix([[1.0], [0.0]]), sp.csr_matrix([[0.0, 2.0], [1.0, 0.0]])
    np.testing.assert_array_equal(stack([(3.0, one), (0.5, two)]).toarray(), [[3, 0, 1], [0, 0.5, 0]])


# --- counterparts ----------------------------------------------------------------------------------------------------


def _gram(rows: sp.csr_matrix) -> np.ndarray:
    return (rows @ rows.T).toarray()


def _angles(*degrees: float) -> sp.csr_matrix:
    radians = np.deg2rad(degrees)
    return sp.csr_matrix(np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32))


def test_counterparts_by_hand() -> None:
    # 0 and 1 are of language 1; 2, 3 and 4 of language 2: 2 is nearest to 0; 3 and 4 both to 1, and 1 prefers 3.
    found = counterparts(_gram(_angles(0, 50, 5, 60, 75)), np.array([1, 1, 2, 2, 2]), 0.3).toarray()
    expected = np.zeros((5, 5))
    for pair in ([0, 2], [1, 3]):
        expected[np.ix_(pair, pair[::-1])] = np.eye(2)
    np.testing.assert_array_equal(found, expected)


def test_items_at_the_threshold_or_without_a_language_have_no_counterpart() -> None:
    rows = 3 * _angles(0, 60)  # a cosine, whatever the length
    cosine = 0.5 + 1e-6
    assert counterparts(_gram(rows), np.array([1, 2]), cosine).nnz == 0
    assert counterparts(_gram(rows), np.array([1, 2]), cosine - 1e-3).nnz == 2
    assert counterparts(_gram(rows), np.array([0, 2]), 0.1).nnz == 0
    assert counterparts(_gram(rows), np.array([1, 1]), 0.1).nnz == 0
    assert counterparts(np.zeros((0, 0), dtype=np.float32), np.zeros(0, dtype=np.int64), 0.1).shape == (0, 0)


@st.composite
def _catalogues(draw: st.DrawFn) -> tuple[sp.csr_matrix, np.ndarray, float]:
    """Small whole numbers make many ties; some rows are zero."""
    size, width = draw(st.integers(1, 14)), draw(st.integers(1, 4))
    cells = draw(st.lists(st.integers(0, 2), min_size=size * width, max_size=size * width))
    languages = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    rows = normalize(sp.csr_matrix(np.array(cells, dtype=np.float32).reshape(size, width)))
    return rows, np.array(languages, dtype=np.int64), draw(st.sampled_from([0.0, 0.3, 0.5, 0.9]))


@settings(max_examples=150, deadline=None)
@given(_catalogues(), st.integers(1, 15))
def test_counterparts_are_symmetric_one_to_one_above_the_threshold_and_independent_of_the_block(
    catalogue: tuple[sp.csr_matrix, np.ndarray, float], block: int
) -> None:
    rows, languages, similarity = catalogue
    pairs = counterparts(_gram(rows), languages, similarity)
    found = pairs.toarray()
    np.testing.assert_array_equal(found, found.T)
    assert set(np.unique(found)) <= {0, 1}
    for code in range(1, 4):
        assert (found[:, languages == code].sum(axis=1) <= 1).all()  # one counterpart in each other language
        assert not found[np.ix_(languages == code, languages == code)].any()
    assert not found[languages == 0].any()
    cosines = (rows @ rows.T).toarray()
    assert (cosines[found > 0] > similarity - 1e-6).all()
    np.testing.assert_array_equal(counterparts(_gram(rows), languages, similarity, block).toarray(), found)


@settings(max_examples=80, deadline=None)
@given(_catalogues())
def test_no_item_has_a_nearer_neighbour_than_its_counterpart(
    catalogue: tuple[sp.csr_matrix, np.ndarray, float],
) -> None:
    rows, languages, similarity = catalogue
    cosines = (rows @ rows.T).toarray()
    pairs = counterparts(_gram(rows), languages, similarity).tocoo()
    for item, other in zip(pairs.row, pairs.col, strict=True):
        assert cosines[item, other] >= cosines[item, languages == languages[other]].max() - 1e-6
