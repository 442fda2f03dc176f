"""Character n-grams with tf-idf weights: the encoder that needs no download and reads any script.

Words of alphabetic scripts count their n-grams of `min_n` to `max_n` characters, the blanks at both ends included (as
scikit-learn's `char_wb` does). Runs of Han, kana and Hangul, where one character is already a syllable or a word, count
from single characters up to `max_n`: `char_wb` has one range for all, and single Latin letters drown the rest.

The defaults were chosen by NDCG@10 on items kept out of training, ranked by cosine with the mean of a user's items:

| n-grams, alphabetic / Han, kana, Hangul | Japanese titles | English titles | film titles | films, all fields |
|---|---|---|---|---|
| `char_wb` 1-4                           | .193 | .151 | .039 | .023 |
| `char_wb` 3-4                           | .277 | .202 | .051 | .024 |
| 3-5 / 1-2                               | .196 | .213 | .050 | .019 |
| 3-5 / 1-5                               | .290 | .213 | .050 | .019 |
| 4-5 / 1-5                               | .309 | .227 | .050 | .016 |
| 2-4 / 1-4                               | .252 | .171 | .047 | .030 |
| 3-4 / 1-4, the default                  | .291 | .202 | .051 | .024 |

Longer n-grams suit bare titles, shorter ones long texts; the default is a compromise, not the best of either. One
split, no repeats: the items it was chosen on are those in the table. The dense view ranks bare titles far worse than
the sparse rows (.104, .119, .017 for the three columns of titles) and long texts better (.044).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, EncoderError
from recbole_xlrec.text.encoders.base import Fingerprint

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

#: Raised whenever the same options begin to give other vectors.
ALGORITHM = 1
#: Words whose n-grams are remembered: most words of a catalogue are few.
_WORDS_KEPT = 1 << 13
SVD_ITERATIONS = 2  # up to 8 take longer and rank alike, within the noise of one split

#: Hangul letters and syllables, Han with its radicals, kana and their extensions.
_CJK = "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u30ff\u3105-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
_CJK += "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
_HAS_CJK = re.compile(f"[{_CJK}]")
_RUNS = re.compile(f"[{_CJK}]+|[^{_CJK}\\s]+")


class NgramEncoder:
    """Tf-idf weighted character n-grams, sparse or reduced to a dense view of `dimension` columns.

    Args:
        min_n: Shortest n-gram of alphabetic scripts, in characters.
        max_n: Longest n-gram of any script, in characters.
        dimension: Columns of the dense view; fewer when there are not as many texts or n-grams.
        min_df: An n-gram counts when at least so many texts have it.
        seed: Of the randomised singular value decomposition.
    """

    def __init__(self, min_n: int = 3, max_n: int = 4, dimension: int = 256, min_df: int = 1, seed: int = 0) -> None:
        if not 1 <= min_n <= max_n:
            raise ConfigError(f"ngram encoder: need 1 <= min_n <= max_n, found min_n {min_n}, max_n {max_n}.")
        if dimension < 1 or min_df < 1:
            raise ConfigError(f"ngram encoder: dimension ({dimension}) and min_df ({min_df}) must be 1 or more.")
        self.min_n, self.max_n, self.dimension, self.min_df, self.seed = min_n, max_n, dimension, min_df, seed
        self._vectorizer: TfidfVectorizer | None = None
        self._fitted: csr_matrix | None = None
        self._row_of: dict[str, int] = {}
        self._components: NDArray[np.float32] | None = None

    def fit(self, texts: Sequence[str]) -> None:
        """Learns the n-grams and their weights.

        Raises:
            EncoderError: No text has an n-gram that counts.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(
            analyzer=make_analyzer(self.min_n, self.max_n), sublinear_tf=True, min_df=self.min_df, dtype=np.float32
        )
        unique = sorted(set(texts))  # so that neither order nor repetition of the texts changes a vector
        try:
            fitted = vectorizer.fit_transform(unique)
        except ValueError as error:
            raise EncoderError(
                f"ngram encoder: none of the {len(unique)} texts has an n-gram that at least {self.min_df} of them "
                f"share ({error}). Check the template, or lower min_df."
            ) from error
        fitted.sort_indices()
        self._vectorizer, self._fitted, self._components = vectorizer, fitted, None
        # The texts fitted on are those encoded next: keeping their rows halves the time.
        self._row_of = {text: row for row, text in enumerate(unique)}

    def state(self) -> tuple[list[str], NDArray[np.float32]]:
        """Returns what `fit` learned: the n-grams in the order of the columns, and the weight of each, (n_features,).

        Raises:
            EncoderError: `fit` was not called.
        """
        vectorizer, _ = self._need_fit()
        return vectorizer.get_feature_names_out().tolist(), np.asarray(vectorizer.idf_, dtype=np.float32)

    def restore(self, ngrams: Sequence[str], weights: NDArray[np.float32]) -> None:
        """Takes up what another encoder of the same options learned; `encode_sparse` then does as that one's."""
        from scipy.sparse import csr_matrix
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(
            analyzer=make_analyzer(self.min_n, self.max_n),
            vocabulary=list(ngrams),
            sublinear_tf=True,
            dtype=np.float32,
        )
        vectorizer.idf_ = weights
        self._vectorizer, self._fitted = vectorizer, csr_matrix(np.zeros((0, len(ngrams)), dtype=np.float32))
        self._row_of, self._components = {}, None

    def encode_sparse(self, texts: Sequence[str]) -> csr_matrix:
        """Returns rows of length 1 (0 for an empty text), float32 (n, n_features).

        Raises:
            EncoderError: `fit` was not called.
        """
        from scipy.sparse import csr_matrix

        vectorizer, fitted = self._need_fit()
        rows = [self._row_of.get(text, -1) for text in texts]
        if -1 in rows:
            return csr_matrix(vectorizer.transform(list(texts)))
        return csr_matrix(fitted[rows])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns the rows of `encode_sparse` seen along the catalogue's main directions, at length 1: (n, dim).

        Raises:
            EncoderError: `fit` was not called.
        """
        if self._components is None:
            self._components = self._main_directions()
        dense = np.asarray(self.encode_sparse(texts) @ self._components, dtype=np.float32)  # (n, dim)
        lengths = np.linalg.norm(dense, axis=1, keepdims=True)
        return np.divide(dense, lengths, out=np.zeros_like(dense), where=lengths > 0)

    def fingerprint(self) -> Fingerprint:
        """Returns the options and the version of the algorithm."""
        options = {name: getattr(self, name) for name in ("min_n", "max_n", "dimension", "min_df", "seed")}
        return {"encoder": "ngram", "algorithm": ALGORITHM, **options}

    def _need_fit(self) -> tuple[TfidfVectorizer, csr_matrix]:
        if self._vectorizer is None or self._fitted is None:
            raise EncoderError("ngram encoder: call fit(texts of the catalogue) before encoding.")
        return self._vectorizer, self._fitted

    def _main_directions(self) -> NDArray[np.float32]:
        """Returns the right singular vectors of the fitted rows, (n_features, dim), with signs that do not vary."""
        from sklearn.utils.extmath import randomized_svd, svd_flip

        _, fitted = self._need_fit()
        dim = max(1, min(self.dimension, min(fitted.shape) - 1))
        _, _, right = randomized_svd(
            fitted, n_components=dim, n_iter=SVD_ITERATIONS, random_state=self.seed, flip_sign=False
        )
        _, right = svd_flip(None, right, u_based_decision=False)
        return np.ascontiguousarray(right.T, dtype=np.float32)


def make_analyzer(min_n: int, max_n: int) -> Callable[[str], list[str]]:
    """Returns the function that lists the n-grams of a text.

    Example:
        >>> make_analyzer(3, 4)("Ab 東京")
        [' ab', 'ab ', ' ab ', '東', '京', '東京']
    """

    @lru_cache(maxsize=_WORDS_KEPT)
    def ngrams(run: str, lowest: int) -> tuple[str, ...]:
        length = len(run)
        # A word shorter than the shortest n-gram counts once, whole.
        sizes = range(min(lowest, length), min(max_n, length) + 1)
        return tuple(run[start : start + n] for n in sizes for start in range(length - n + 1))

    def analyze(text: str) -> list[str]:
        text = unicodedata.normalize("NFKC", text).lower()
        has_cjk = not text.isascii() and _HAS_CJK.search(text) is not None
        found: list[str] = []
        for run in _RUNS.findall(text) if has_cjk else text.split():
            found += ngrams(run, 1) if has_cjk and _HAS_CJK.match(run) else ngrams(f" {run} ", min_n)
        return found

    return analyze
