"""The closed-form maps: orthogonal Procrustes and canonical correlation of any number of languages.

All methods give the same thing, one affine map a language, x → x W - b, so that applying them is one matrix product.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.text.align.parallel import LEAST_PAIRS

Array = NDArray[np.float64]
_EXACT = 4096  # the shorter side of a matrix up to which its decomposition is exact


class Points(NamedTuple):
    """The vectors of one language.

    Attributes:
        vectors: (texts, width).
        groups: (texts,) the group that each belongs to, ascending.
    """

    vectors: Array
    groups: NDArray[np.int64]


class Affine(NamedTuple):
    """x → x @ map - offset.

    Attributes:
        map: (width, out).
        offset: (out,).
    """

    map: Array
    offset: Array


def procrustes(points: Mapping[str, Points], pivot: str, dimension: int) -> dict[str, Affine]:
    """Turns each language onto the pivot: the rotation W that minimises ||X W - P||, both sides centred.

    Schönemann 1966; for word vectors, Xing et al. 2015 and Smith et al. 2017. Distances within a language stay as they
    are. Where languages have spaces of their own, their first `dimension` columns are turned.

    Raises:
        ConfigError: The pivot is not one of the languages.
        DataError: A language shares too few groups with the pivot.
    """
    if pivot not in points:
        raise ConfigError(f"pivot {pivot!r} is not one of the languages {', '.join(sorted(points))}.")
    width = min(dimension, *(found.vectors.shape[1] for found in points.values()))
    target = points[pivot].vectors[:, :width]
    aim = target - target.mean(axis=0)
    maps = {}
    for tag, (vectors, groups) in points.items():
        mean = vectors[:, :width].mean(axis=0)
        turn = np.eye(width)
        if tag != pivot:
            _, ours, theirs = np.intersect1d(groups, points[pivot].groups, assume_unique=True, return_indices=True)
            if len(ours) < LEAST_PAIRS:
                raise DataError(
                    f"{tag} shares {len(ours)} groups with the pivot {pivot}, {LEAST_PAIRS} are needed. Name another "
                    "pivot, or use cca, which needs none."
                )
            left, _, right = np.linalg.svd((vectors[ours, :width] - mean).T @ aim[theirs])
            turn = left @ right
        padded = np.zeros((vectors.shape[1], width))
        padded[:width] = turn
        maps[tag] = Affine(padded, mean @ turn)
    return maps


def cca(points: Mapping[str, Points], groups: int, dimension: int, shrinkage: float, seed: int) -> dict[str, Affine]:
    """Maps every language onto the concepts that all of them have: canonical correlation of any number of languages.

    MAXVAR (Kettenring 1971; with groups that lack languages: Rastogi et al. 2015): the concepts G (groups, dimension)
    are the leading eigenvectors of the mean over languages of the ridge projections X (XᵀX + λ)⁻¹ Xᵀ; the map of a
    language is its ridge regression onto G. For two languages this is CCA. λ is `shrinkage` × the mean of the
    eigenvalues of XᵀX that are not zero. Each concept is weighted by its eigenvalue squared, which is 1 where all
    languages agree: what only one language has counts little.

    Args:
        points: The vectors of each language, not centred.
        groups: How many groups there are.
        dimension: Concepts.
        shrinkage: Of the covariances, above 0.
        seed: Of the randomised decomposition, used where there are more than 4,096 groups and directions.

    Raises:
        ConfigError: `shrinkage` is not above 0.
    """
    if not shrinkage > 0:
        raise ConfigError(f"shrinkage must be above 0, found {shrinkage}.")
    counts = np.zeros(groups)
    for found in points.values():
        counts[found.groups] += 1
    scale = 1 / np.sqrt(np.maximum(counts, 1))  # (groups,)
    parts = {tag: _ridge(found.vectors, shrinkage) for tag, found in points.items()}
    blocks = []
    for tag, (left, values, _, ridge) in parts.items():
        block = np.zeros((groups, len(values)))
        block[points[tag].groups] = left * np.sqrt(values**2 / (values**2 + ridge))
        blocks.append(block * scale[:, None])
    concepts, singular = _leading(np.hstack(blocks), dimension, seed)  # (groups, out), (out,)
    weights = singular**4  # eigenvalues are the singular values squared
    maps = {}
    for tag, (left, values, right, ridge) in parts.items():
        aim = (concepts * scale[:, None])[points[tag].groups]  # (texts, out)
        solved = right.T @ ((values / (values**2 + ridge))[:, None] * (left.T @ aim)) * weights  # (width, out)
        maps[tag] = Affine(solved, points[tag].vectors.mean(axis=0) @ solved)
    return maps


def _ridge(vectors: Array, shrinkage: float) -> tuple[Array, Array, Array, float]:
    """The singular value decomposition of the centred vectors, and λ."""
    left, values, right = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    kept = values > values.max(initial=0) * 1e-7
    left, values, right = left[:, kept], values[kept], right[kept]
    return left, values, right, shrinkage * float(np.mean(values**2)) if len(values) else shrinkage


def _leading(matrix: Array, count: int, seed: int) -> tuple[Array, Array]:
    """The leading left singular vectors, (rows, count), and their values."""
    if min(matrix.shape) > _EXACT:
        from sklearn.utils.extmath import randomized_svd

        left, values, _ = randomized_svd(matrix, n_components=count, n_iter=5, random_state=seed)
        return left, values
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    squares, vectors = np.linalg.eigh(gram)
    values = np.sqrt(np.clip(squares[::-1][:count], 1e-12, None))
    vectors = vectors[:, ::-1][:, :count]
    return (vectors if matrix.shape[0] <= matrix.shape[1] else matrix @ vectors / values), values
