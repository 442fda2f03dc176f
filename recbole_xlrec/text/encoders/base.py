"""What every text encoder does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

#: Plain values, so that a fingerprint can be written as JSON and hashed.
Fingerprint = dict[str, "str | int | float | bool | list | None"]


class TextEncoder(Protocol):
    """Turns texts into vectors, one row each; a text without a character in it becomes a row of zeros."""

    def fit(self, texts: Sequence[str]) -> None:
        """Learns what the encoder needs from the unique texts of the catalogue; trained models need nothing."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns the vectors, (n, dim), in the order of the texts."""

    def fingerprint(self) -> Fingerprint:
        """Returns all that changes the vectors, apart from the texts: the same before and after `fit`."""
