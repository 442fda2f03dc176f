"""Several texts an item, one vector: the mean over its versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.text.encoders.base import Fingerprint, TextEncoder

#: Between versions. White space, so that no rendered text holds it.
_BETWEEN = "\x1e"


def join_versions(texts: Iterable[str]) -> str:
    """Puts the different texts of one item into one, for `VersionsEncoder`; empty ones are left out."""
    return _BETWEEN.join(dict.fromkeys(text for text in texts if text.strip()))


def version_id(item: str, language: str) -> str:
    """What one version of an item is called where each has a vector of its own."""
    return f"{item}{_BETWEEN}{language}"


class VersionsEncoder:
    """Encodes texts that `join_versions` has joined, each version by itself, and takes the mean of their vectors.

    Args:
        base: Encodes one version.
    """

    def __init__(self, base: TextEncoder) -> None:
        self.base = base

    def fit(self, texts: Sequence[str]) -> None:
        """Lets the base learn from the versions."""
        self.base.fit(sorted({version for text in texts for version in text.split(_BETWEEN)}))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns the mean of the versions' vectors, (n, dim), zero where a text is empty."""
        versions = [text.split(_BETWEEN) for text in texts]
        vectors = self.base.encode([version for found in versions for version in found])  # (versions, dim)
        counts = np.array([len(found) for found in versions])
        starts = np.cumsum(counts) - counts
        return np.asarray(np.add.reduceat(vectors, starts, axis=0) / counts[:, None], dtype=np.float32)

    def fingerprint(self) -> Fingerprint:
        """Returns the base's fingerprint, marked."""
        return {**self.base.fingerprint(), "versions": "mean"}
