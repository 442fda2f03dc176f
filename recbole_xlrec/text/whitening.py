"""Whitening: encoders crowd their vectors into a narrow cone; centring and decorrelating spreads them out.

Sources: Su et al. 2021, 'Whitening Sentence Representations for Better Semantics and Faster Retrieval' (arXiv
2103.15316). ZCA, the whitening map that moves the vectors least: Bell & Sejnowski 1997, 'The "independent components"
of natural scenes are edge filters'. Unlike Su et al. the map is symmetric (ZCA, not PCA), and the covariance is shrunk,
so that fewer vectors than dimensions will do.
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

KINDS = ("none", "mean", "zca")
_ROWS = 16384  # rows turned into float64 at a time, so that a memory-mapped float16 matrix stays on disk


@dataclass(frozen=True, eq=False)
class Whitening:
    """A fitted map x -> (x - mean) @ map.

    Attributes:
        mean: float64 (dim,).
        map: float64 (dim, dim), symmetric; None for the identity.
    """

    mean: NDArray[np.float64]
    map: NDArray[np.float64] | None

    def apply(self, vectors: NDArray[Any]) -> NDArray[np.float32]:
        """Maps vectors (n, dim) to float32 (n, dim); rows that are all zero (no text) stay zero.

        Raises:
            DataError: The vectors are not (n, dim) with the dim of the fit.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            raise DataError(f"whitening was fitted on {len(self.mean)} columns; found shape {vectors.shape}.")
        out = np.zeros(vectors.shape, dtype=np.float32)
        for start in range(0, len(vectors), _ROWS):
            block = np.asarray(vectors[start : start + _ROWS], dtype=np.float64)
            filled = block.any(axis=1)
            moved = block[filled] - self.mean
            out[start : start + _ROWS][filled] = moved if self.map is None else moved @ self.map
        return out


def fit_whitening(vectors: NDArray[Any] | Reordered, kind: str = "zca", eps: float = 1e-3) -> Whitening:
    """Fits the map on the rows given that are not all zero.

    With covariance C = U diag(λ) Uᵀ (dividing by n), the map of `zca` is U diag((1 - eps) λ + eps mean(λ))^(-1/2) Uᵀ.

    Args:
        vectors: (n, dim), any float type; or the rows of a matrix that is read slice by slice.
        kind: `none` (identity), `mean` (centre) or `zca` (centre and decorrelate).
        eps: Shrinkage of the covariance towards its mean variance, in (0, 1].

    Raises:
        ConfigError: `kind` is not known or `eps` out of range.
        DataError: Not (n, dim), fewer than two rows, values that are not finite, or all rows equal.
    """
    if kind not in KINDS:
        raise ConfigError(f"whitening {kind!r} is not known; the choices are {', '.join(KINDS)}.")
    if not 0 < eps <= 1:
        raise ConfigError(f"whitening: eps must be above 0 and at most 1, found {eps}.")
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
    return Whitening(mean, _inverse_root(covariance / count, eps))


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


def _inverse_root(covariance: NDArray[np.float64], eps: float) -> NDArray[np.float64]:
    variances, directions = np.linalg.eigh(covariance)
    average = variances.mean()
    if not average > 0:
        raise DataError("whitening: all vectors are equal, so they have no directions to decorrelate. Use kind: none.")
    shrunk = (1 - eps) * np.clip(variances, 0, None) + eps * average
    return np.asarray((directions / np.sqrt(shrunk)) @ directions.T)
