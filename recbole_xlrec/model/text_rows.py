"""Item texts and features as sparse rows: what lets two items be alike before anybody has met both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from recbole_xlrec.errors import DataError
from recbole_xlrec.text.encoders.ngram import NgramEncoder


def lexical_rows(texts: Sequence[str], ngrams: tuple[int, int]) -> sp.csr_matrix:
    """Tf-idf weighted character n-grams of each text, (items, n-grams), rows of length 1; 0 for an empty text."""
    return lexical_encoder(texts, ngrams).encode_sparse(texts)


def lexical_encoder(texts: Sequence[str], ngrams: tuple[int, int]) -> NgramEncoder:
    """What makes `lexical_rows` of these texts, and of others by the n-grams and weights of these."""
    encoder = NgramEncoder(min_n=ngrams[0], max_n=ngrams[1])
    encoder.fit([text for text in texts if text])
    return encoder


def feature_rows(values: Sequence[Sequence[str]], name: str = "the feature") -> sp.csr_matrix:
    """Tf-idf weighted values of one item feature, (items, distinct values), rows of length 1 where there is a value.

    Raises:
        DataError: If no item has a value.
    """
    return feature_encoder(values, name).transform(values)


def feature_encoder(values: Sequence[Sequence[str]], name: str = "the feature") -> TfidfVectorizer:
    """What makes `feature_rows` of these values, and of others by the weights of these.

    Raises:
        DataError: If no item has a value.
    """
    if not any(value for found in values for value in found):
        raise DataError(f"{name}: no item has a value. Leave it out of feature_fields")
    weigh = TfidfVectorizer(analyzer=lambda found: [value for value in found if value], dtype=np.float32)
    return weigh.fit(values)


def stack(blocks: Sequence[tuple[float, sp.csr_matrix]]) -> sp.csr_matrix:
    """Puts weighted blocks side by side, (items, sum of widths)."""
    return sp.hstack([weight * block for weight, block in blocks], format="csr", dtype=np.float32)


def counterparts(
    gram: NDArray[np.floating[Any]], languages: NDArray[np.int64], similarity: float, block: int = 4096
) -> sp.csr_matrix:
    """Pairs the items of each two languages that are each other's nearest by cosine.

    Mutual nearest neighbours keep precision where a nearest neighbour alone would pair everything.

    Args:
        gram: (items, items) inner products of the items' text rows.
        languages: (items,) language codes; code 0 belongs to no language and is paired with nothing.
        similarity: Pairs at or below this cosine are dropped.
        block: Items of one language compared at a time; bounds the memory.

    Returns:
        (items, items) of zeros and ones, symmetric: 1 where two items of different languages are counterparts.
    """
    lengths = np.sqrt(gram.diagonal())
    scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)  # (items,)
    members = [np.flatnonzero(languages == code) for code in np.unique(languages[languages > 0])]
    left: list[NDArray[np.int64]] = []
    right: list[NDArray[np.int64]] = []
    for first, ours in enumerate(members):
        for theirs in members[first + 1 :]:
            ours_paired, theirs_paired = _mutual_nearest(gram, scale, ours, theirs, similarity, block)
            left.append(ours_paired)
            right.append(theirs_paired)
    source = np.concatenate([*left, *right]) if left else np.zeros(0, dtype=np.int64)
    target = np.concatenate([*right, *left]) if left else source
    ones = np.ones(len(source), dtype=np.float32)
    return sp.csr_matrix((ones, (source, target)), shape=gram.shape)


def _mutual_nearest(
    gram: NDArray[np.floating[Any]],
    scale: NDArray[np.floating[Any]],
    ours: NDArray[np.int64],
    theirs: NDArray[np.int64],
    similarity: float,
    block: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    nearest = np.zeros(len(ours), dtype=np.int64)  # of each of ours, a place in theirs
    best = np.full(len(theirs), similarity, dtype=scale.dtype)
    back = np.full(len(theirs), -1, dtype=np.int64)  # of each of theirs, a place in ours
    for start in range(0, len(ours), block):
        part = ours[start : start + block]
        cosines = gram[np.ix_(part, theirs)] * scale[theirs] * scale[part, None]  # (block, theirs)
        nearest[start : start + block] = cosines.argmax(axis=1)
        rows = cosines.argmax(axis=0)
        values = cosines[rows, np.arange(len(theirs))]
        better = values > best
        best[better], back[better] = values[better], rows[better] + start
    paired = np.flatnonzero(back >= 0)
    mutual = paired[nearest[back[paired]] == paired]
    return ours[back[mutual]], theirs[mutual]
