"""What an alignment is fitted on: an encoder's vectors, or, of n-grams, the sparse rows of each language.

N-grams of two languages share little, and 256 columns fitted on all languages keep less than half of what they share.
So for `ngram` each language has its own n-grams and weights, and its map goes from these straight to the shared space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from recbole_xlrec.errors import DataError
from recbole_xlrec.text.align.methods import Affine, Array, Points
from recbole_xlrec.text.align.parallel import ParallelTexts
from recbole_xlrec.text.encoders.base import TextEncoder
from recbole_xlrec.text.encoders.ngram import NgramEncoder

#: An n-gram that one text alone has connects it with nothing.
MIN_DF = 2
_EXACT = 4096  # texts of a language up to which no direction is left out
_DIRECTIONS = 1024  # and beyond


class Lexicon(NamedTuple):
    """What the n-gram encoder of one language learned: the n-grams, and the weight of each, (n_features,)."""

    ngrams: list[str]
    weights: Any


class View(NamedTuple):
    """The points of one language, and the way from a text to where they lie.

    Attributes:
        points: The vectors to fit on.
        back: (n_features, width) from sparse rows to `points`' columns; None where the encoder gives them as they are.
        lexicon: The n-grams; None where the encoder gives the vectors.
    """

    points: Points
    back: Array | None = None
    lexicon: Lexicon | None = None

    def whole(self, fitted: Affine) -> Affine:
        """The map from what a text is encoded to."""
        return fitted if self.back is None else Affine(self.back @ fitted.map, fitted.offset)


def make_views(texts: ParallelTexts, encoder: TextEncoder, seed: int = 0) -> dict[str, View]:
    """Encodes parallel text; the encoder is fitted before."""
    view = _lexical_view if isinstance(encoder, NgramEncoder) else _dense_view
    return {tag: view(texts.texts[tag], encoder, seed) for tag in texts.languages}


def points_of(views: Mapping[str, View]) -> dict[str, Points]:
    """The points of each language."""
    return {tag: view.points for tag, view in views.items()}


def _filled(texts: Sequence[str]) -> tuple[list[str], Any]:
    groups = np.flatnonzero([bool(text) for text in texts])
    return [texts[row] for row in groups.tolist()], groups


def _dense_view(texts: Sequence[str], encoder: TextEncoder, seed: int) -> View:
    filled, groups = _filled(texts)
    return View(Points(np.asarray(encoder.encode(filled), dtype=np.float64), groups))


def _lexical_view(texts: Sequence[str], encoder: TextEncoder, seed: int) -> View:
    if not isinstance(encoder, NgramEncoder):
        raise DataError("a lexical view needs the n-gram encoder.")
    filled, groups = _filled(texts)
    own = NgramEncoder(encoder.min_n, encoder.max_n, min_df=max(MIN_DF, encoder.min_df))
    own.fit(filled)
    rows = own.encode_sparse(filled)  # (texts, n_features)
    if len(filled) <= _EXACT:
        squares, left = np.linalg.eigh((rows @ rows.T).toarray().astype(np.float64))
        kept = squares > squares.max() * 1e-9
        left, values = left[:, kept][:, ::-1], np.sqrt(squares[kept][::-1])
    else:
        from sklearn.utils.extmath import randomized_svd

        left, values, _ = randomized_svd(rows, n_components=_DIRECTIONS, n_iter=4, random_state=seed)
    back = np.asarray(rows.T @ (left / values))  # (n_features, width)
    return View(Points(np.asarray(left * values, dtype=np.float64), groups), back, Lexicon(*own.state()))
