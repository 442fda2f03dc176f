"""How vectors lie: whether they fill the space, and whether languages lie apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Languages with fewer texts are left out of the probe.
LEAST_TEXTS = 20
_FOLDS = 5


def isotropy(vectors: NDArray[Any]) -> float | None:
    """From 0, all vectors along one line, to 1, as many in each direction: min Z(c) / max Z(c) over the eigenvectors c.

    Z(c) = Σ exp(cᵀ v) over unit vectors v (Mu and Viswanath 2018, 'All-but-the-Top', equation 1; both signs of each c).

    Args:
        vectors: (n, dim); rows of zeros are left out.

    Returns:
        None where fewer than two vectors are left.
    """
    unit = unit_rows(vectors)
    unit = unit[unit.any(axis=1)]
    if len(unit) < 2:
        return None
    _, directions = np.linalg.eigh(unit.T @ unit)
    along = unit @ directions  # (n, dim)
    sums = np.concatenate([np.exp(along).sum(axis=0), np.exp(-along).sum(axis=0)])
    return float(sums.min() / sums.max())


def mean_cosines(vectors: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, float | None]]:
    """The mean cosine between the texts of each two languages, and between different texts of one.

    Args:
        vectors: (texts, dim) of each language; rows of zeros are left out.
    """
    unit = {tag: unit_rows(found[found.any(axis=1)]) for tag, found in vectors.items()}
    means = {tag: found.mean(axis=0) if len(found) else None for tag, found in unit.items()}

    def cosine(first: str, second: str) -> float | None:
        left, right, count = means[first], means[second], len(unit[first])
        if left is None or right is None or (first == second and count < 2):
            return None
        if first != second:
            return float(left @ right)
        return float((count * count * (left @ left) - count) / (count * (count - 1)))  # without a text's own cosine

    return {first: {second: cosine(first, second) for second in unit} for first in unit}


def language_probe(vectors: Mapping[str, NDArray[Any]], seed: int = 0) -> dict[str, Any] | None:
    """How well a linear classifier tells a text's language from its vector, cross-validated.

    Args:
        vectors: (texts, dim) of each language; at least `LEAST_TEXTS` of each count.
        seed: Of the folds.

    Returns:
        `accuracy` with every language counting alike, `chance`, and `by_language` (recall); None for one language.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    usable = {tag: found for tag, found in vectors.items() if len(found) >= LEAST_TEXTS}
    if len(usable) < 2:
        return None
    rows = unit_rows(np.concatenate(list(usable.values())))
    labels = np.repeat(list(usable), [len(found) for found in usable.values()])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=300, C=0.1))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    found = cross_val_predict(classifier, rows, labels, cv=folds)
    recall = {tag: float((found[labels == tag] == tag).mean()) for tag in usable}
    return {"accuracy": float(np.mean(list(recall.values()))), "chance": 1 / len(usable), "by_language": recall}


def unit_rows(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """(n, dim) at length 1; rows of zeros stay zero."""
    vectors = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
