"""EASE's regression in closed form: every item on all the others, under a zero diagonal."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg import lapack

from recbole_xlrec.errors import ConfigError

Matrix = NDArray[np.floating[Any]]


def zero_diagonal_regression(gram: Matrix, penalty: float) -> Matrix:
    """Solves min ‖X - XB‖² + penalty ‖B‖² with a zero diagonal of B, given the Gram matrix of X.

    With P = (XᵀX + penalty I)⁻¹, B = I - P diag(1/P_ii) (Steck 2019, equation 8).

    Args:
        gram: (items, items), symmetric positive semi-definite; overwritten.
        penalty: Above 0.

    Returns:
        (items, items) weights; column j scores item j.

    Raises:
        ConfigError: If the matrix is not positive definite at this precision.
    """
    return weights_of(inverse_of(gram, penalty))


def inverse_of(gram: Matrix, penalty: float) -> Matrix:
    """The upper triangle of (gram + penalty I)⁻¹, in the place of the Gram matrix; see `zero_diagonal_regression`."""
    gram.flat[:: len(gram) + 1] += penalty
    try:
        factor = scipy.linalg.cholesky(gram.T, lower=False, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError as error:
        raise ConfigError("the regression cannot be solved: raise reg_weight, or set precision: float64") from error
    invert = lapack.spotri if gram.dtype == np.float32 else lapack.dpotri
    inverse, info = invert(factor, lower=0, overwrite_c=1)  # upper triangle of P
    if info != 0:
        raise ConfigError("the regression cannot be solved: raise reg_weight, or set precision: float64")
    return inverse


def weights_of(inverse: Matrix) -> Matrix:
    """From the upper triangle of P to B, block by block so that no third matrix is needed."""
    size, block = len(inverse), 1024
    diagonal = inverse.diagonal().copy()
    for start in range(0, size, block):
        stop = min(start + block, size)
        square = inverse[start:stop, start:stop]
        square[:] = np.triu(square) + np.triu(square, 1).T
        inverse[stop:, start:stop] = inverse[start:stop, stop:].T
    inverse /= -diagonal
    inverse.flat[:: size + 1] = 0.0
    return inverse
