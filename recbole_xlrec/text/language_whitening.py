"""A whitening for each language: what tells a vector's language, above all its mean, is taken out of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import sample
from recbole_xlrec.text.whitening import Whitening

logger = logging.getLogger(__name__)

#: A language with fewer items to fit on than this takes the whitening of all.
LEAST_ROWS = 50


@dataclass(frozen=True, eq=False)
class LanguageWhitening:
    """Chooses the whitening by the item.

    Attributes:
        codes: (items,) the language of each item.
        own: The whitening of each language that has one.
        others: Of every other language.
    """

    codes: NDArray[np.int64]
    own: Mapping[int, Whitening]
    others: Whitening

    @property
    def width(self) -> int:
        """Width of what `apply` gives."""
        return self.others.width

    def apply(self, vectors: NDArray[Any], items: NDArray[np.int64]) -> NDArray[np.float32]:
        """Maps the vectors of some items, (chosen, dim), to float32 (chosen, out)."""
        out = np.zeros((len(vectors), self.width), dtype=np.float32)
        codes = self.codes[items]
        for code in np.unique(codes):
            rows = np.flatnonzero(codes == code)
            out[rows] = self.own.get(int(code), self.others).apply(vectors[rows])
        return out


def fit_by_language(
    items: NDArray[np.int64],
    codes: NDArray[np.int64],
    fit: Callable[[NDArray[np.int64]], Whitening],
    names: Sequence[str],
) -> LanguageWhitening:
    """Fits on some items, language by language.

    Args:
        items: Those to fit on.
        codes: (items in all,) the language of each item.
        fit: Fits a whitening on the vectors of some items.
        names: The languages by code, for a warning about those that have too few items to fit on.
    """
    own, few = {}, []
    for code in np.unique(codes[items]):
        members = items[codes[items] == code]
        if len(members) >= LEAST_ROWS:
            own[int(code)] = fit(members)
        else:
            few.append(names[int(code)] or "no language")
    if few:
        logger.warning(
            "whitening by language: %s have fewer than %d training items and take the whitening of all",
            sample(few),
            LEAST_ROWS,
        )
    return LanguageWhitening(codes, own, fit(items))
