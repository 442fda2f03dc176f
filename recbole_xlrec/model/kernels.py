"""How alike items are, as numbers from 0 to 1: by their texts, by the values of a field, and by who met them.

The powers make a few items that are very much alike count more than many that hardly are. They were chosen, as all of
`neighbourhood`, by AUC on validation of ``ml_tmdb`` and ``ml-100k-xl``.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from recbole.utils import FeatureType
from sklearn.preprocessing import normalize

from recbole_xlrec.model.histories import Ids
from recbole_xlrec.text.aligned import TextRows

Floats = NDArray[np.float32]

_ROWS = 16384  # items whose text is read at a time
_TEXT_POWER, _VALUES_POWER, _COMPANY_POWER = 2, 3, 3


class Kernel(Protocol):
    """Likeness of items to those of a user's history."""

    def __call__(self, user: int, items: Ids, history: Ids) -> Floats:
        """(items,) ids and (history,) ids of all that the user met → (items, history)."""


class TextKernel:
    """Cosine of the text vectors, less their mean over the items of training; zero where it is negative.

    Args:
        texts: (rows,) text vectors.
        starts: (users,) where the rows of all items begin that a user reads, see `texts_as_read`.
        met: (events,) items of training.
    """

    def __init__(self, texts: TextRows, starts: Ids, met: Ids) -> None:
        self._texts, self._starts = texts, starts
        met = np.unique(met + np.unique(starts)[:, None])
        sums = [texts.rows(met[start : start + _ROWS]).sum(axis=0) for start in range(0, len(met), _ROWS)]
        self._mean = np.sum(sums, axis=0) / len(met)  # (width,)

    def __call__(self, user: int, items: Ids, history: Ids) -> Floats:
        """See `Kernel`."""
        left, right = (self._unit(self._starts[user] + ids) for ids in (items, history))
        return np.maximum(left @ right.T, 0) ** _TEXT_POWER

    def _unit(self, read: Ids) -> Floats:
        """(ids,) → (ids, width) of length 1; zero where there is no text."""
        found = self._texts.rows(read)
        found -= self._mean * found.any(axis=1, keepdims=True)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


class ValuesKernel:
    """Cosine of the items' sets of values, as of their categories.

    Args:
        values: (items, length) values of each item, 0 for none.
    """

    def __init__(self, values: NDArray[Any]) -> None:
        items, places = values.nonzero()
        ones = np.ones(len(items), dtype=np.float32)
        self._rows = normalize(sp.csr_matrix((ones, (items, values[items, places])), (len(values), values.max() + 1)))

    def __call__(self, user: int, items: Ids, history: Ids) -> Floats:
        """See `Kernel`."""
        return (self._rows[items] @ self._rows[history].T).toarray() ** _VALUES_POWER


class CompanyKernel:
    """Cosine of the sets of the other users who met the items (Sarwar et al., WWW 2001), whatever they thought of them.

    Args:
        met: (users, items) of zeros and ones.
    """

    def __init__(self, met: sp.csr_matrix) -> None:
        self._met = met.T.tocsr().astype(np.float32)  # (items, users)
        self._counts = np.diff(self._met.indptr)  # (items,)

    def __call__(self, user: int, items: Ids, history: Ids) -> Floats:
        """See `Kernel`."""
        own = np.isin(items, history)  # (items,), whether the user is one of those who met it
        both = (self._met[items] @ self._met[history].T).toarray() - own[:, None]  # (items, history)
        sizes = np.outer(self._counts[items] - own, self._counts[history] - 1)
        return (both / np.sqrt(np.maximum(sizes, 1))).astype(np.float32) ** _COMPANY_POWER


def make_kernels(config: Any, dataset: Any, texts: tuple[TextRows, Ids] | None, met: Ids) -> list[Kernel]:
    """Of texts where these are read, of each field of several values, and of who met the items where ids are read.

    Args:
        config: Of the model.
        dataset: The training part.
        texts: Text vectors, and where those begin that each user reads; None where none are read.
        met: (events,) items of training.
    """
    kernels: list[Kernel] = []
    if texts is not None:
        kernels.append(TextKernel(*texts, met))
    items = dataset.item_feat
    for field in [] if items is None else items.columns:
        if dataset.field2type[field] == FeatureType.TOKEN_SEQ:
            kernels.append(ValuesKernel(items[field].numpy()))
    if config["id_embedding"]:
        kernels.append(CompanyKernel(dataset.query_histories()))
    return kernels
