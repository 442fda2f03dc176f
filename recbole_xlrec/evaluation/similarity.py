"""What needs the items' vectors: likeness across languages, and the diversity of a list.

Cosines of sums are sums of cosines, so that a query costs as many vectors as its list and history hold, and no pairs
are formed. Items whose vector is zero, those without text, are left out everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from recbole_xlrec.errors import DataError
from recbole_xlrec.evaluation.coded import Coded
from recbole_xlrec.evaluation.context import Context

_CELLS = 1 << 21  # numbers in one table of queries by width: 8 MB
Vectors = NDArray[np.float32]


def unit_vectors(vectors: ArrayLike, context: Context) -> Vectors:
    """(items, width) of length 1, or 0 for those that are zero.

    Raises:
        DataError: If there is not one an item, or some are not finite.
    """
    found = np.asarray(vectors, dtype=np.float32)
    if found.ndim != 2 or len(found) != len(context.item_ids):
        raise DataError(
            f"vectors must be one row for each of the {len(context.item_ids)} items of the context, in their order; "
            f"their shape is {found.shape}"
        )
    if not np.isfinite(found).all():
        raise DataError(f"{int((~np.isfinite(found).all(axis=1)).sum())} vectors hold what is not finite; encode anew")
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return found / np.where(lengths > 0, lengths, np.float32(1))


def intra_list_diversity(ranking: Coded, vectors: Vectors, k: int) -> float | None:
    """One minus the mean cosine of two different items of a list, mean over lists with two or more items.

    Source: Smyth and McClave, Similarity vs. diversity (ICCBR 2001); Ziegler et al. (WWW 2005).

    Args:
        ranking: The ranking.
        vectors: `unit_vectors`.
        k: Length of the lists.
    """
    there, total, lists = _there(vectors), 0.0, 0
    for some in _blocks(ranking, vectors):
        listed = _lists(ranking, some, k, there)
        sizes = np.diff(listed.indptr)  # (block,)
        sums = listed @ vectors  # (block, width)
        several = sizes > 1
        cosines = (np.einsum("qw,qw->q", sums, sums) - sizes)[several] / (sizes * (sizes - 1.0))[several]
        total += float((1 - cosines).sum())
        lists += int(several.sum())
    return total / lists if lists else None


def cross_language_similarity(ranking: Coded, context: Context, vectors: Vectors, k: int) -> float | None:
    """Mean cosine of a recommended item and the items of its user's history that are in other languages than it is.

    First the mean over such a history, then over all recommended items that meet one. It says whether what crosses
    languages is alike in content. None where no item meets one.

    Args:
        ranking: The ranking.
        context: With the histories.
        vectors: `unit_vectors`.
        k: Length of the lists.
    """
    there, total, places = _there(vectors), 0.0, 0
    codes = [code for code in np.unique(ranking.item_languages) if code > 0]
    of_language = [there & (ranking.item_languages == code) for code in codes]  # (languages,) of (items,)
    for some in _blocks(ranking, vectors):
        histories = [_histories(context, some, mask) for mask in of_language]
        sums = [history @ vectors for history in histories]  # (block, width) each
        sizes = [np.diff(history.indptr) for history in histories]  # (block,) each
        all_sums, all_sizes = sum(sums), sum(sizes)
        for own, size, mask in zip(sums, sizes, of_language, strict=True):
            listed = _lists(ranking, some, k, mask)
            others = all_sizes - size  # (block,)
            dots = np.einsum("qw,qw->q", listed @ vectors, all_sums - own)
            meets = others > 0
            total += float((dots[meets] / others[meets]).sum())
            places += int(np.diff(listed.indptr)[meets].sum())
    return total / places if places else None


def _there(vectors: Vectors) -> NDArray[np.bool_]:
    return np.asarray(vectors.any(axis=1))


def _blocks(ranking: Coded, vectors: Vectors) -> Iterator[slice]:
    step = max(1, _CELLS // max(1, vectors.shape[1]))
    return (slice(start, min(start + step, ranking.queries)) for start in range(0, ranking.queries, step))


def _lists(ranking: Coded, some: slice, k: int, mask: NDArray[np.bool_]) -> sp.csr_matrix:
    """(block, items) ones where an item of the mask stands in the first k places of a query's list."""
    items = ranking.items[some, :k]
    kept = (items >= 0) & mask[items]
    return _ones(items[kept], kept.sum(axis=1), len(mask))


def _histories(context: Context, some: slice, mask: NDArray[np.bool_]) -> sp.csr_matrix:
    """(block, items) how often an item of the mask stands in a query's history."""
    starts = context.history_starts[some.start : some.stop + 1]
    items = context.history_items[starts[0] : starts[-1]]
    kept = mask[items]
    before = np.concatenate([[0], np.cumsum(kept)])  # (items of the block + 1,)
    return _ones(items[kept], np.diff(before[starts - starts[0]]), len(mask))


def _ones(items: NDArray[np.integer], sizes: NDArray[np.integer], width: int) -> sp.csr_matrix:
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    return sp.csr_matrix((np.ones(len(items), dtype=np.float32), items, indptr), shape=(len(sizes), width))
