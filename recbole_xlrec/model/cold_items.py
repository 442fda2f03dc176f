"""Weights of items that nobody has met in training.

In a joint regression an item without interactions is one that no user wanted: the rows of the users pull its weights
to zero. So its weights are fitted to its text alone, by ridge regression of its text row on those of the items that
somebody has met: a linear map from attributes to behaviour (Gantner et al., ICDM 2010, "Learning Attribute-to-Feature
Mappings for Cold-Start Recommendations"), here from items to items. One factor for all keeps the scores of cold
items, taken together, as large beside those of the others as the joint regression has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray

Matrix = NDArray[np.floating[Any]]


def cold_weights(
    text_gram: Matrix, weights: Matrix, cold: NDArray[np.bool_], penalty: float, histories: sp.csr_matrix
) -> Matrix:
    """Returns the columns of the cold items: in proportion to argmin ‖t_cold - C T_warm‖² + penalty · m ‖C‖².

    T holds the text rows, and m is the mean squared length of a warm text row, so that
    the penalty does not depend on the weight of the text.

    Args:
        text_gram: (items, items) inner products of the text rows.
        weights: (items, items) of the joint regression; column j scores item j.
        cold: (items,) true for items that nobody has met.
        penalty: Above 0.
        histories: (users, items).

    Returns:
        (warm, cold).
    """
    warm = ~cold
    among = text_gram[np.ix_(warm, warm)]  # (warm, warm)
    among.flat[:: len(among) + 1] += penalty * np.diagonal(among).mean()
    right = text_gram[np.ix_(warm, cold)]  # (warm, cold)
    columns = scipy.linalg.solve(among, right, assume_a="pos", overwrite_a=True, check_finite=False)
    met = histories[:, warm]  # (users, warm)
    scale = _size(met, weights[np.ix_(warm, cold)]) / max(_size(met, columns), 1e-12)
    return columns * columns.dtype.type(scale)


def _size(histories: sp.csr_matrix, columns: Matrix, block: int = 256) -> float:
    """Frobenius norm of all scores, some items at a time."""
    squares = (np.square(histories @ columns[:, at : at + block]).sum() for at in range(0, columns.shape[1], block))
    return float(np.sqrt(sum(squares)))
