"""Whitening: encoders crowd their vectors into a narrow cone; centring and decorrelating spreads them out.

Sources: Su et al. 2021, 'Whitening Sentence Representations for Better Semantics and Faster Retrieval' (arXiv
2103.15316), for `pca`, which can leave out the directions of least variance. ZCA, the whitening map that moves the
vectors least: Bell & Sejnowski 1997, 'The "independent components" of natural scenes are edge filters'; without
directions left out its cosines are those of `pca`. `relaxed` decorrelates within groups of columns only and leaves what
the groups share: Zhang et al. 2024, 'Are ID Embeddings Necessary? Whitening Pre-trained Text Embeddings for Effective
Sequential Recommendation' (arXiv 2402.10602). The covariance is shrunk, so that fewer vectors than dimensions will do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, DataError, sample

if TYPE_CHECKING:
    from recbole_xlrec.text.aligned import Reordered

KINDS = ("none", "mean", "pca", "zca", "relaxed")
_ROWS = 16384  # rows turned into float64 at a time, so that a memory-mapped float16 matrix stays on disk


@dataclass(frozen=True, eq=False)
class Whitening:
    """A fitted map x -> (x - mean) @ map.

    Attributes:
        mean: float64 (dim,).
        map: float64 (dim, out); None for the identity.
    """

    mean: NDArray[np.float64]
    map: NDArray[np.float64] | None

    @property
    def width(self) -> int:
        """Width of what `apply` gives."""
        return len(self.mean) if self.map is None else int(self.map.shape[1])

    @property
    def changes_nothing(self) -> bool:
        """Whether `apply` gives back what it is given."""
        return self.map is None and not self.mean.any()

    def apply(self, vectors: NDArray[Any]) -> NDArray[np.float32]:
        """Maps vectors (n, dim) to float32 (n, out); rows that are all zero (no text) stay zero.

        Raises:
            DataError: The vectors are not (n, dim) with the dim of the fit.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            raise DataError(f"whitening was fitted on {len(self.mean)} columns; found shape {vectors.shape}.")
        out = np.zeros((len(vectors), self.width), dtype=np.float32)
        for start in range(0, len(vectors), _ROWS):
            block = np.asarray(vectors[start : start + _ROWS], dtype=np.float64)
            filled = block.any(axis=1)
            moved = block[filled] - self.mean
            out[start : start + _ROWS][filled] = moved if self.map is None else moved @ self.map
        return out


def fit_whitening(
    vectors: NDArray[Any] | Reordered,
    kind: str = "zca",
    eps: float = 1e-3,
    dimension: int | None = None,
    groups: int = 8,
) -> Whitening:
    """Fits the map on the rows given that are not all zero.

    With covariance C = U diag(λ) Uᵀ (dividing by n) and s = (1 - eps) λ + eps mean(λ), the map of `pca` is
    U diag(s)^(-1/2), and that of `zca` U diag(s)^(-1/2) Uᵀ.

    Args:
        vectors: (n, dim), any float type; or the rows of a matrix that is read slice by slice.
        kind: `none` (identity), `mean` (centre), `pca`, `zca` (centre and decorrelate), or `relaxed` (`zca` of each
            group of columns).
        eps: Shrinkage of the covariance towards its mean variance, in (0, 1].
        dimension: Directions that `pca` keeps, those of most variance first; None keeps all.
        groups: Groups of neighbouring columns, of `relaxed`.

    Raises:
        ConfigError: `kind` is not known or a number out of range.
        DataError: Not (n, dim), fewer than two rows, values that are not finite, or all rows equal.
    """
    _check_options(kind, eps, dimension, groups)
    if vectors.ndim != 2:
        raise DataError(f"whitening: vectors must be (n, dim), found shape {vectors.shape}.")
    dim = vectors.shape[1]
    if kind == "none":
        return Whitening(np.zeros(dim), None)
    count, mean = _mean(vectors)
    if kind == "mean":
        return Whitening(mean, None)
    covariance = np.zeros((dim, dim))
    for block in _filled_blocks(vectors):
        moved = block - mean
        covariance += moved.T @ moved
    covariance /= count
    if kind == "pca":
        return Whitening(mean, _principal(covariance, eps, dimension))
    return Whitening(mean, _inverse_root(covariance, eps) if kind == "zca" else _relaxed(covariance, eps, groups))


def _check_options(kind: str, eps: float, dimension: int | None, groups: int) -> None:
    if kind not in KINDS:
        raise ConfigError(f"whitening {kind!r} is not known; the choices are {', '.join(KINDS)}.")
    if not 0 < eps <= 1:
        raise ConfigError(f"whitening: eps must be above 0 and at most 1, found {eps}.")
    if groups < 1 or (dimension is not None and dimension < 1):
        raise ConfigError(f"whitening: groups ({groups}) and dimension ({dimension}) must be 1 or more.")
    if dimension is not None and kind != "pca":
        raise ConfigError(f"whitening_dimension {dimension}: only whitening: pca leaves directions out, found {kind}.")


def _mean(vectors: NDArray[Any] | Reordered) -> tuple[int, NDArray[np.float64]]:
    count, total = 0, np.zeros(vectors.shape[1])
    for block in _filled_blocks(vectors):
        count, total = count + len(block), total + block.sum(axis=0)
    if count < 2:
        raise DataError(f"whitening: {count} of {len(vectors)} vectors are not zero, at least 2 are needed.")
    return count, total / count


def _filled_blocks(vectors: NDArray[Any] | Reordered) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(vectors), _ROWS):
        block = np.asarray(vectors[start : start + _ROWS], dtype=np.float64)
        broken = np.flatnonzero(~np.isfinite(block).all(axis=1)) + start
        if len(broken):
            raise DataError(f"whitening: {len(broken)} rows hold NaN or infinity: rows {sample(broken.tolist())}.")
        yield block[block.any(axis=1)]


def _decomposed(covariance: NDArray[np.float64], eps: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The shrunk variances, ascending, and their directions, one a column."""
    variances, directions = np.linalg.eigh(covariance)
    average = variances.mean()
    if not average > 0:
        raise DataError("whitening: all vectors are equal, so they have no directions to decorrelate. Use kind: none.")
    return (1 - eps) * np.clip(variances, 0, None) + eps * average, directions


def _inverse_root(covariance: NDArray[np.float64], eps: float) -> NDArray[np.float64]:
    variances, directions = _decomposed(covariance, eps)
    return np.asarray((directions / np.sqrt(variances)) @ directions.T)


def _principal(covariance: NDArray[np.float64], eps: float, dimension: int | None) -> NDArray[np.float64]:
    """(dim, dimension), the direction of most variance first; signs by the largest weight, so that they do not vary."""
    variances, directions = _decomposed(covariance, eps)
    kept = np.ascontiguousarray(directions[:, ::-1][:, :dimension])
    signs = np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(kept.shape[1])])
    return np.asarray(kept * signs / np.sqrt(variances[::-1][:dimension]))


def _relaxed(covariance: NDArray[np.float64], eps: float, groups: int) -> NDArray[np.float64]:
    """Block by block along the diagonal; a group of columns that never vary is left as it is."""
    found = np.eye(len(covariance))
    for columns in np.array_split(np.arange(len(covariance)), min(groups, len(covariance))):
        block = np.ix_(columns, columns)
        if covariance[block].trace() > 0:
            found[block] = _inverse_root(covariance[block], eps)
    if not covariance.trace() > 0:
        _decomposed(covariance, eps)  # says that all vectors are equal
    return found
