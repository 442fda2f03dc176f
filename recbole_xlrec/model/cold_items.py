"""Weights of items that nobody has met in training.

In a joint regression an item without interactions is one that no user wanted: the rows of the users pull its weights
to zero. So its weights are fitted to its text alone, by ridge regression of its text row on those of the items that
somebody has met: a linear map from attributes to behaviour (Gantner et al., ICDM 2010, "Learning Attribute-to-Feature
Mappings for Cold-Start Recommendations"), here from items to items. One factor for all keeps the scores of cold
items, taken together, as large beside those of the others as the joint regression has them; or they are brought to the
level of the others (`cold_level`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray

from recbole_xlrec.model.cold_level import measure

Matrix = NDArray[np.floating[Any]]


def cold_weights(
    text_gram: Matrix,
    weights: Matrix,
    cold: NDArray[np.bool_],
    penalty: float,
    histories: sp.csr_matrix,
    popularity: float | None = None,
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
        popularity: Of `cold_level.measure`; None for the size that the joint regression gives.

    Returns:
        (warm, cold).
    """
    warm = ~cold
    columns = _by_text(text_gram[np.ix_(warm, warm)], text_gram[np.ix_(warm, cold)], penalty)  # (warm, cold)
    met = histories[:, warm]  # (users, warm)
    if popularity is not None:
        known = weights[np.ix_(warm, warm)]
        return measure(known, text_gram[np.ix_(warm, warm)], penalty, met, popularity).of(columns, known)
    scale = _size(met, weights[np.ix_(warm, cold)]) / max(_size(met, columns), 1e-12)
    return columns * columns.dtype.type(scale)


class Fitted(NamedTuple):
    """A joint regression that has been fitted.

    Attributes:
        rows: (items, width) text rows.
        weights: (items, items), those of cold items as `cold_weights` gives them.
        diagonal: (items,) of the inverse of the penalised Gram matrix.
        histories: (users, items) of training.
    """

    rows: sp.csr_matrix
    weights: Matrix
    diagonal: Matrix
    histories: sp.csr_matrix


def new_weights(fitted: Fitted, new: sp.csr_matrix, penalty: float, popularity: float | None = None) -> Matrix:
    """Weights of items that come after training, as `cold_weights` has them.

    The factor is that of the cold items of training, so that a new item scores as one of these with its text would;
    where training has none, it is taken from the new ones. With a popularity both have the same level instead.

    Args:
        fitted: The joint regression.
        new: (new, width) text rows.
        penalty: As of `cold_weights`; 0 for the joint regression itself.
        popularity: As of `cold_weights`.

    Returns:
        (items, new).
    """
    cold = np.bincount(fitted.histories.indices, minlength=len(fitted.weights)) == 0  # (items,)
    warm, dtype = ~cold, fitted.weights.dtype
    products = (fitted.rows @ new.T).toarray().astype(dtype)  # (items, new)
    out = np.zeros(products.shape, dtype=dtype)
    if penalty <= 0:
        out[warm] = _joint(fitted, products)[warm]
        return out
    own = fitted.rows[warm]  # (warm, width)
    among = (own @ own.T).toarray().astype(dtype)
    met = fitted.histories[:, warm]
    if popularity is not None:
        weights = fitted.weights[np.ix_(warm, warm)]
        level = measure(weights, among.copy(), penalty, met, popularity)
        out[warm] = level.of(_by_text(among, products[warm], penalty), weights)
        return out
    right = np.hstack([products[warm], (own @ fitted.rows[cold].T).toarray().astype(dtype)])  # (warm, new + cold)
    columns = _by_text(among, right, penalty)
    mine, known = columns[:, : new.shape[0]], columns[:, new.shape[0] :]
    larger, smaller = (
        (fitted.weights[np.ix_(warm, cold)], known) if cold.any() else (_joint(fitted, products)[warm], mine)
    )
    out[warm] = mine * dtype.type(_size(met, larger) / max(_size(met, smaller), 1e-12))
    return out


def _joint(fitted: Fitted, products: Matrix) -> Matrix:
    """What the joint regression would have given new items: (items, new) products of text rows → (items, new).

    By block inversion that is P g, where P is the inverse of its Gram matrix and g are the products; and P is
    (I - B) diag(P).
    """
    return fitted.diagonal[:, None] * (products - fitted.weights.T @ products)


def _by_text(among: Matrix, right: Matrix, penalty: float) -> Matrix:
    """The ridge regression: (warm, warm) products, overwritten, and (warm, others) → (warm, others)."""
    among.flat[:: len(among) + 1] += penalty * np.diagonal(among).mean()
    return scipy.linalg.solve(among, right, assume_a="pos", overwrite_a=True, check_finite=False)


def _size(histories: sp.csr_matrix, columns: Matrix, block: int = 256) -> float:
    """Frobenius norm of all scores, some items at a time."""
    squares = (np.square(histories @ columns[:, at : at + block]).sum() for at in range(0, columns.shape[1], block))
    return float(np.sqrt(sum(squares)))
