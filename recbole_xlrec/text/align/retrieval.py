"""Retrieval@1 on parallel text: how often the nearest text of another language is the translation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.text.align.parallel import LEAST_PAIRS, ParallelTexts


def retrieval_at_1(
    source: NDArray[Any], target: NDArray[Any], names: list[str] | None = None, block: int = 2048
) -> float:
    """The share of rows of `source` whose nearest row of `target`, by cosine, is the one of the same number.

    Args:
        source: (n, width), dense or sparse.
        target: (n, width); all of its rows are candidates.
        names: The texts behind `target`: another row of the same text is as good. A row of zeros is never right.
        block: Rows compared at a time.
    """
    ours, theirs = _unit(source), _unit(target)
    codes = np.unique(names, return_inverse=True)[1] if names is not None else np.arange(ours.shape[0])
    hits = 0
    for start in range(0, ours.shape[0], block):
        cosines = ours[start : start + block] @ theirs.T  # (block, n)
        cosines = cosines.toarray() if hasattr(cosines, "toarray") else cosines
        best = cosines.argmax(axis=1)
        right = codes[best] == codes[start : start + len(best)]
        hits += int((right & (cosines.max(axis=1) > 0)).sum())
    return hits / ours.shape[0]


def retrieval_table(texts: ParallelTexts, vectors: Mapping[str, Any]) -> dict[str, dict[str, float | int]]:
    """Retrieval@1 of each two languages, both ways.

    Args:
        texts: Parallel text.
        vectors: Of each language the vectors of all groups, (groups, width); zero where there is no text.

    Returns:
        `"de-en": {"de→en": .., "en→de": .., "texts": n}`; pairs with too few groups are left out.
    """
    found: dict[str, dict[str, float | int]] = {}
    for (first, second), count in texts.pairs().items():
        if count < LEAST_PAIRS:
            continue
        both = texts.having(first, second)
        row: dict[str, float | int] = {"texts": count}
        for source, target in ((first, second), (second, first)):
            names = [texts.texts[target][group] for group in both]
            row[f"{source}→{target}"] = retrieval_at_1(vectors[source][both], vectors[target][both], names)
        found[f"{first}-{second}"] = row
    return found


def _unit(rows: Any) -> Any:
    from sklearn.preprocessing import normalize

    return normalize(rows)
