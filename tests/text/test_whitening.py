from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.text import whitening as module
from recbole_xlrec.text.whitening import KINDS, fit_whitening


def cone(n: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    """Correlated vectors around a mean that is not zero."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(dim, dim)) + np.eye(dim)
    return (random.normal(size=(n, dim)) @ mixing + 5).astype(np.float32)


def test_zca_makes_the_covariance_the_identity_and_the_mean_zero() -> None:
    vectors = cone(5000, 8)
    white = fit_whitening(vectors, "zca", eps=1e-6).apply(vectors).astype(np.float64)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(8), atol=5e-3)


def test_zca_moves_vectors_that_are_already_white_hardly() -> None:
    vectors = np.random.default_rng(0).normal(size=(20000, 5)).astype(np.float32)
    np.testing.assert_allclose(fit_whitening(vectors, "zca").apply(vectors), vectors, atol=0.1)


def test_the_map_is_symmetric_and_its_formula_holds() -> None:
    vectors = cone(50, 4)
    fitted = fit_whitening(vectors, "zca", eps=0.1)
    assert fitted.map is not None
    np.testing.assert_allclose(fitted.map, fitted.map.T)
    covariance = np.cov(vectors.T.astype(np.float64), bias=True)
    shrunk = 0.9 * covariance + 0.1 * np.trace(covariance) / 4 * np.eye(4)
    np.testing.assert_allclose(fitted.map @ fitted.map @ shrunk, np.eye(4), atol=1e-8)


def test_mean_only_centres_and_none_changes_nothing() -> None:
    vectors = cone(30, 4)
    np.testing.assert_allclose(fit_whitening(vectors, "mean").apply(vectors), vectors - vectors.mean(0), atol=1e-5)
    assert np.array_equal(fit_whitening(vectors, "none").apply(vectors), vectors)


def test_pca_has_the_cosines_of_zca_and_its_directions_come_by_variance() -> None:
    vectors = cone(300, 6)
    turned = fit_whitening(vectors, "pca").apply(vectors)
    straight = fit_whitening(vectors, "zca").apply(vectors)
    np.testing.assert_allclose(turned @ turned.T, straight @ straight.T, atol=1e-3)
    cut = fit_whitening(vectors, "pca", dimension=2).apply(vectors)
    np.testing.assert_allclose(cut, turned[:, :2], atol=1e-6)
    variances = np.linalg.eigvalsh(np.cov(vectors.T))[::-1]
    scales = 1 / np.square(np.linalg.norm(fit_whitening(vectors, "pca", eps=1e-9).map, axis=0))  # type: ignore[arg-type]
    np.testing.assert_allclose(scales, variances, rtol=0.01)


def test_relaxed_whitens_each_group_of_columns_and_nothing_between_them() -> None:
    vectors = cone(500, 5)
    white = fit_whitening(vectors, "relaxed", groups=2, eps=1e-6).apply(vectors)
    for columns in (slice(0, 3), slice(3, 5)):
        expected = fit_whitening(vectors[:, columns], "zca", eps=1e-6).apply(vectors[:, columns])
        np.testing.assert_allclose(white[:, columns], expected, atol=1e-4)
    assert np.abs(np.corrcoef(white.T)[:3, 3:]).max() > 0.05
    whole = fit_whitening(vectors, "zca").apply(vectors)
    np.testing.assert_allclose(fit_whitening(vectors, "relaxed", groups=1).apply(vectors), whole, atol=1e-5)


def test_only_pca_leaves_directions_out() -> None:
    with pytest.raises(ConfigError, match="only whitening: pca"):
        fit_whitening(cone(9, 4), "zca", dimension=2)
    with pytest.raises(ConfigError, match="1 or more"):
        fit_whitening(cone(9, 4), "relaxed", groups=0)


def test_fewer_rows_than_dimensions_give_finite_vectors() -> None:
    vectors = cone(6, 40)
    white = fit_whitening(vectors, "zca").apply(cone(20, 40, seed=1))
    assert np.isfinite(white).all()
    assert np.isfinite(fit_whitening(vectors, "zca").apply(vectors)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_text_stay_zero_and_are_left_out_of_the_fit(kind: str) -> None:
    vectors = cone(40, 4)
    with_empty = np.concatenate([np.zeros((3, 4), np.float32), vectors, np.zeros((9, 4), np.float32)])
    fitted, expected = fit_whitening(with_empty, kind), fit_whitening(vectors, kind)
    np.testing.assert_allclose(fitted.mean, expected.mean)
    white = fitted.apply(with_empty)
    assert not white[:3].any()
    assert not white[43:].any()
    np.testing.assert_allclose(white[3:43], expected.apply(vectors), atol=1e-6)


def test_only_the_rows_given_are_fitted() -> None:
    vectors = cone(60, 4)
    fitted = fit_whitening(vectors[:30], "zca")
    vectors[30:] += 100
    assert np.array_equal(fitted.mean, fit_whitening(vectors[:30], "zca").mean)
    np.testing.assert_allclose(fitted.mean, vectors[:30].astype(np.float64).mean(axis=0))


def test_blocks_of_rows_give_what_all_rows_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = cone(50, 4).astype(np.float16)
    whole = fit_whitening(vectors, "zca").apply(vectors)
    monkeypatch.setattr(module, "_ROWS", 7)
    np.testing.assert_allclose(fit_whitening(vectors, "zca").apply(vectors), whole, atol=1e-5)


@settings(deadline=None)
@given(st.integers(2, 12), st.integers(1, 12), st.sampled_from(KINDS), st.integers(0, 99))
def test_shape_and_type_hold_for_any_count_and_width(n: int, dim: int, kind: str, seed: int) -> None:
    vectors = cone(n, dim, seed)
    white = fit_whitening(vectors, kind).apply(vectors)
    assert white.shape == (n, dim)
    assert white.dtype == np.float32
    assert np.isfinite(white).all()


@pytest.mark.parametrize(
    ("vectors", "kind", "error", "message"),
    [
        (np.ones((3, 2)), "pcb", ConfigError, "none, mean, pca, zca, relaxed"),
        (np.ones((3, 2)), "pca", DataError, "all vectors are equal"),
        (np.ones((3, 2)), "relaxed", DataError, "all vectors are equal"),
        (np.array([[1.0, 2.0], [0.0, 0.0]]), "mean", DataError, "1 of 2"),
        (np.zeros((0, 2)), "zca", DataError, "0 of 0"),
        (np.ones((3, 2)), "zca", DataError, "all vectors are equal"),
        (np.array([[1.0, np.nan], [1.0, 2.0]]), "zca", DataError, "1 rows hold NaN"),
        (np.ones(3), "zca", DataError, r"\(3,\)"),
    ],
)
def test_what_cannot_be_whitened_is_refused(
    vectors: NDArray[np.float64], kind: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit_whitening(vectors, kind)


def test_vectors_of_another_width_and_bad_shrinkage_are_refused() -> None:
    with pytest.raises(DataError, match="4 columns"):
        fit_whitening(cone(9, 4), "mean").apply(cone(9, 3))
    with pytest.raises(ConfigError, match="eps"):
        fit_whitening(cone(9, 4), "zca", eps=0)
