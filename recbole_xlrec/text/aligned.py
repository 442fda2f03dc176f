"""Text vectors in the order of a dataset's internal ids, in memory or left on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.text.language_whitening import LanguageWhitening
from recbole_xlrec.text.whitening import Whitening


@dataclass(frozen=True, eq=False)
class TextRows:
    """The whitened text vector of each item.

    Attributes:
        matrix: (stored, width), of any float type; may be memory-mapped.
        order: (items,) row of each item in `matrix`; -1 for one without text, whose vector is zero.
        whitening: Applied to what is read; one for all items, or one a language.
    """

    matrix: NDArray[Any]
    order: NDArray[np.int64]
    whitening: Whitening | LanguageWhitening

    @property
    def width(self) -> int:
        """Width of the vectors."""
        return self.whitening.width

    def fits(self, gigabytes: float) -> bool:
        """Says whether all of them, as float32, take no more than that."""
        return 4 * len(self.order) * self.width <= gigabytes * 1e9

    def rows(self, items: NDArray[np.int64]) -> NDArray[np.float32]:
        """(chosen,) internal ids → (chosen, width)."""
        found = raw_rows(self.matrix, self.order[items])
        if isinstance(self.whitening, LanguageWhitening):
            return self.whitening.apply(found, items)
        return found if self.whitening.changes_nothing else self.whitening.apply(found)

    def all(self) -> NDArray[np.float32]:
        """(items, width)."""
        return self.rows(np.arange(len(self.order)))


def raw_rows(matrix: NDArray[Any], order: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rows of a matrix as float32, (chosen, width), zero where the order says -1; read in the order of the disk."""
    found = np.zeros((len(order), matrix.shape[1]), dtype=np.float32)
    there = np.flatnonzero(order >= 0)
    there = there[np.argsort(order[there], kind="stable")]
    found[there] = matrix[order[there]]
    return found


@dataclass(frozen=True, eq=False)
class Reordered:
    """A view of some rows of a matrix that is read slice by slice, as `fit_whitening` does.

    Attributes:
        matrix: (stored, width).
        order: (chosen,) rows.
    """

    matrix: NDArray[Any]
    order: NDArray[np.int64]

    ndim = 2

    @property
    def shape(self) -> tuple[int, int]:
        """(chosen, width)."""
        return len(self.order), int(self.matrix.shape[1])

    def __len__(self) -> int:
        """Chosen rows."""
        return len(self.order)

    def __getitem__(self, places: slice) -> NDArray[np.float32]:
        """A slice of the rows."""
        return raw_rows(self.matrix, self.order[places])
