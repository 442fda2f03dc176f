"""Lists calibrated to each user's own mix of languages: Steck (2018), Calibrated recommendations, RecSys.

p is the mix of languages in what a user consumed and q that of a list. The list is chosen greedily to make

    (1 - tradeoff) * sum of s - tradeoff * KL(p || q'),   q' = (1 - SMOOTHING) q + SMOOTHING p

as large as possible, place by place. We differ in s, which is the score min-max normalised within the query, so that
one trade-off suits members of any scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.ranking.lists import EMPTY, Codes, Lists, by_blocks, check_length
from recbole_xlrec.ranking.normalise import min_max

#: How much of p is mixed into q, so that the divergence of a list without a language is finite (alpha in the paper).
SMOOTHING = 0.01

Mix = NDArray[np.float64]


def language_mix(starts: NDArray[np.int64], items: Codes, item_languages: Codes, languages: int) -> Mix:
    """The share of each language in what each user consumed.

    Args:
        starts: (queries + 1,) where in `items` each user's history begins.
        items: (total,) codes of the items.
        item_languages: (items of the catalogue,) codes from 0, -1 where an item has none.
        languages: How many there are.

    Returns:
        (queries, languages), rows that sum to 1, or all 0 where nothing of a known language was consumed.
    """
    queries = len(starts) - 1
    owners = np.repeat(np.arange(queries), np.diff(starts))  # (total,)
    found = np.asarray(item_languages, dtype=np.int64)[items]
    cells = (owners * languages + found)[found >= 0]
    counts = np.bincount(cells, minlength=queries * languages).reshape(queries, languages)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def miscalibration(lists: Lists, *, item_languages: Codes, mix: Mix) -> NDArray[np.float64]:
    """(queries,) KL(p || q'), 0 where a list has exactly the user's mix, and where the user has none."""
    found = lists.codes(item_languages)
    counts = np.stack([(found == code).sum(axis=1) for code in range(mix.shape[1])], axis=1)
    return _divergence(counts / np.maximum(lists.present().sum(axis=1, keepdims=True), 1), mix)


def calibrated(lists: Lists, k: int, *, item_languages: Codes, mix: Mix, tradeoff: float = 0.5) -> Lists:
    """Lists that follow each user's mix of languages.

    An item keeps its score, so the scores of the new list need not fall. A user without a mix keeps the list.

    Args:
        lists: (queries, n) candidates, best first; n larger than k, or only their order can change.
        k: Length of the new lists.
        item_languages: (items,) codes from 0, -1 where an item has none.
        mix: (queries, languages) of `language_mix`.
        tradeoff: From 0, scores only, to 1, the mix only (lambda in the paper).

    Raises:
        ConfigError: `tradeoff` is out of range.
        DataError: The mix is not one of these queries and languages.
    """
    if not 0 <= tradeoff <= 1:
        raise ConfigError(f"the trade-off of calibration lies between 0 and 1; found {tradeoff}")
    check_length(k)
    found = lists.codes(item_languages)
    if len(mix) != len(found) or found.max(initial=-1) >= mix.shape[1]:
        wanted = f"{len(found)} queries and languages up to {found.max(initial=-1)}"
        raise DataError(f"the mix is one of {mix.shape}, queries by languages; the lists have {wanted}")

    def some(rows: slice) -> Lists:
        return lists.rows(rows).taken(_greedy(lists.rows(rows), found[rows], mix[rows], k, tradeoff))

    return by_blocks(some, len(found), k, found.shape[1])


def _greedy(lists: Lists, languages: NDArray[np.int64], mix: Mix, k: int, tradeoff: float) -> NDArray[np.int64]:
    """(rows, k or fewer) the places chosen, -1 where there are no more.

    Of each language only its best item left can be next, so that a step looks at languages and not at candidates.
    """
    rows, n = languages.shape
    queues = np.stack([_queue(languages == code) for code in range(-1, mix.shape[1])], axis=1)
    scores = np.append(min_max([lists])[0].scores, np.full((rows, 1), -np.inf), axis=1)  # (rows, n + 1)
    gain = np.where(scores == -np.inf, scores, (1 - tradeoff) * np.maximum(scores, 0))
    heads = np.zeros((rows, queues.shape[1]), dtype=np.int64)  # (rows, languages + 1), the first for no language
    counts = np.zeros((rows, mix.shape[1]))
    chosen = np.full((rows, min(k, n)), EMPTY, dtype=np.int64)
    row = np.arange(rows)
    for length in range(1, chosen.shape[1] + 1):
        nexts = np.take_along_axis(queues, heads[:, :, None], axis=2)[:, :, 0]  # (rows, languages + 1)
        worth = np.take_along_axis(gain, nexts, axis=1) - tradeoff * _divergences(counts, mix, length)
        best = _first_best(worth, nexts)
        place = nexts[row, best]
        chosen[:, length - 1] = np.where(np.isfinite(gain[row, place]), place, EMPTY)
        heads[row, best] = np.minimum(heads[row, best] + 1, n)
        counts[row[best > 0], best[best > 0] - 1] += 1
    return chosen


def _queue(same: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(rows, n + 1) the marked places (rows, n) in their order, then n, which is no place."""
    rows, n = same.shape
    places = np.where(same, np.arange(n), n)
    return np.append(np.sort(places, axis=1), np.full((rows, 1), n), axis=1)


def _first_best(worth: Mix, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """(rows,) the column of the largest worth; of equal ones that of the earliest place in the list."""
    near = worth >= worth.max(axis=1, keepdims=True) - 1e-12
    return np.where(near, places, np.iinfo(np.int64).max).argmin(axis=1)


def _divergences(counts: Mix, mix: Mix, length: int) -> Mix:
    """(rows, languages + 1) the divergence of the list when one item is added: of no language, or of each."""
    without = _terms(counts / length, mix)  # (rows, languages)
    with_one = _terms((counts + 1) / length, mix)
    total = without.sum(axis=1, keepdims=True)
    return np.concatenate([total, total - without + with_one], axis=1)


def _divergence(shares: Mix, mix: Mix) -> NDArray[np.float64]:
    return np.asarray(_terms(shares, mix).sum(axis=1))


def _terms(shares: Mix, mix: Mix) -> Mix:
    """The terms p log(p / q') of each language, 0 where p is."""
    smooth = (1 - SMOOTHING) * shares + SMOOTHING * mix
    ratio = np.divide(mix, smooth, out=np.ones_like(mix), where=mix > 0)
    return np.asarray(mix * np.log(ratio))
