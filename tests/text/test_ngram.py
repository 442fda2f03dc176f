from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from recbole_xlrec.errors import ConfigError, EncoderError
from recbole_xlrec.text.encoders.ngram import NgramEncoder, make_analyzer

TITLES = [
    "The Lord of the Rings",
    "Lord of the Flies",
    "Der Herr der Ringe",
    "君の名は。",
    "君の膵臓をたべたい",
    "東京物語",
    "Твоё имя",
    "너의 이름은",
    "FULLMETAL 鋼の錬金術師",
    "",
]


@pytest.fixture
def fitted() -> NgramEncoder:
    encoder = NgramEncoder()
    encoder.fit(TITLES)
    return encoder


def test_single_han_characters_and_pairs_count_but_single_latin_letters_do_not() -> None:
    grams = make_analyzer(3, 4)("Ab 東京物")
    assert grams == [" ab", "ab ", " ab ", "東", "京", "物", "東京", "京物", "東京物"]


def test_han_kana_and_latin_in_one_word_are_told_apart() -> None:
    assert set(make_analyzer(3, 3)("鋼のFMA")) == {"鋼", "の", "鋼の", " fm", "fma", "ma "}


def test_width_and_case_do_not_matter() -> None:
    analyze = make_analyzer(3, 4)
    assert analyze("ＡＢＣ ﾃｽﾄ") == analyze("abc テスト")


def test_a_word_shorter_than_the_shortest_ngram_counts_once() -> None:
    assert make_analyzer(4, 5)("a") == [" a "]


def test_sparse_rows_have_length_one_and_the_empty_text_is_zero(fitted: NgramEncoder) -> None:
    matrix = fitted.encode_sparse(TITLES)
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1)).A1
    assert matrix.dtype == np.float32
    assert matrix.format == "csr"
    np.testing.assert_allclose(lengths, [1.0] * 9 + [0.0], atol=1e-6)


def test_texts_that_share_characters_are_near_in_every_script(fitted: NgramEncoder) -> None:
    matrix = fitted.encode_sparse(TITLES)
    cosine = (matrix @ matrix.T).toarray()
    assert cosine[0, 1] > 0.2
    assert cosine[3, 4] > 0.05
    assert cosine[0, 5] == 0


def test_texts_not_seen_by_fit_are_encoded_as_those_that_were(fitted: NgramEncoder) -> None:
    known = fitted.encode_sparse(TITLES).toarray()
    with_new = fitted.encode_sparse([*TITLES, "Lord of War"]).toarray()
    np.testing.assert_allclose(with_new[:-1], known, atol=1e-6)
    assert with_new[-1] @ known[1] > 0.1


def test_dense_rows_keep_the_order_of_nearness_and_empty_stays_zero(fitted: NgramEncoder) -> None:
    dense = fitted.encode(TITLES)
    assert dense.dtype == np.float32
    assert dense.shape == (10, 9)  # min(texts, n-grams) - 1
    np.testing.assert_allclose(np.linalg.norm(dense, axis=1), [1.0] * 9 + [0.0], atol=1e-5)
    assert dense[0] @ dense[1] > dense[0] @ dense[5] + 0.1
    sparse = fitted.encode_sparse(TITLES)
    np.testing.assert_allclose(dense @ dense.T, (sparse @ sparse.T).toarray(), atol=1e-3)


def test_the_dense_view_is_capped_by_dimension_and_works_for_one_text() -> None:
    encoder = NgramEncoder(dimension=3)
    encoder.fit(TITLES)
    assert encoder.encode(TITLES).shape == (10, 3)
    encoder.fit(["a"])
    np.testing.assert_allclose(np.abs(encoder.encode(["a", ""])), [[1.0], [0.0]])


def test_neither_order_nor_repetition_of_the_fitted_texts_changes_a_bit() -> None:
    first, second = NgramEncoder(dimension=4), NgramEncoder(dimension=4)
    first.fit(TITLES)
    second.fit(TITLES[::-1] + TITLES[:5])
    assert np.array_equal(first.encode(TITLES), second.encode(TITLES))
    assert (first.encode_sparse(TITLES) != second.encode_sparse(TITLES)).nnz == 0


def test_rows_do_not_depend_on_the_texts_encoded_with_them(fitted: NgramEncoder) -> None:
    whole = fitted.encode(TITLES)
    assert np.array_equal(np.concatenate([fitted.encode([title]) for title in TITLES]), whole)


def test_the_fingerprint_changes_with_every_option_and_not_with_fit(fitted: NgramEncoder) -> None:
    assert fitted.fingerprint() == NgramEncoder().fingerprint()
    others = [dict(min_n=2), dict(max_n=5), dict(dimension=9), dict(min_df=2), dict(seed=1)]
    prints = [str(NgramEncoder(**options).fingerprint()) for options in [{}, *others]]
    assert len(set(prints)) == len(prints)


def test_encoding_before_fit_and_texts_without_ngrams_are_refused() -> None:
    with pytest.raises(EncoderError, match="call fit"):
        NgramEncoder().encode_sparse(["a"])
    with pytest.raises(EncoderError, match="none of the 2 texts"):
        NgramEncoder().fit(["", " "])
    with pytest.raises(ConfigError, match="min_n"):
        NgramEncoder(min_n=3, max_n=2)


def test_importing_the_text_package_loads_neither_sklearn_nor_torch() -> None:
    code = (
        "import sys, recbole_xlrec.text.encoders, recbole_xlrec.text.store, recbole_xlrec.text.whitening;"
        "print([name for name in ('sklearn', 'torch', 'scipy', 'transformers') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
