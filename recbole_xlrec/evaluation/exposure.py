"""Whose items are shown: places in lists by language, and what of the catalogue reaches whom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.evaluation.coded import Coded

Slots = NDArray[np.int64]


def slots(ranking: Coded, k: int) -> Slots:
    """(languages, items) how often each item stands in the first k places of the lists of users of each language."""
    items = len(ranking.item_languages)
    width = items + 1  # one more, for ended lists: position -1
    found = np.zeros(len(ranking.languages) * width, dtype=np.int64)
    for some in ranking.blocks(k):
        cells = ranking.user_languages[some, None] * np.int64(width) + ranking.items[some, :k] + 1
        found += np.bincount(cells.ravel(), minlength=len(found))
    return found.reshape(-1, width)[:, 1:]


def exposure(ranking: Coded, shown: Slots) -> dict[str, dict[str, float]]:
    """The share of filled places that items of each language get, and how far it is from their share of the catalogue.

    The gap is that of group exposure to a proportional reference (Singh and Joachims, 2018), every place counted alike.

    Args:
        ranking: The ranking.
        shown: `slots`.

    Returns:
        Language of the items -> ``slots``, ``catalogue`` and ``gap``, the former minus the latter. Items without a
        language count in the totals alone.
    """
    count = len(ranking.languages)
    held = np.bincount(ranking.item_languages, shown.sum(axis=0), minlength=count)  # (languages,)
    there = np.bincount(ranking.item_languages, minlength=count)  # (languages,)
    shares, catalogue = held / max(held.sum(), 1), there / max(there.sum(), 1)
    return {
        name: {
            "slots": float(shares[code]),
            "catalogue": float(catalogue[code]),
            "gap": float(shares[code] - catalogue[code]),
        }
        for code, name in enumerate(ranking.languages)
        if name and there[code]
    }


def hits_by_language(ranking: Coded, topk: Sequence[int]) -> dict[str, float | None]:
    """The shares of hits in the user's own language and in others, at each k: ``same_language@10`` and so on.

    A hit is a target among the first k; hits without a language on either side are left out. None where none is left.
    """
    users, targets = ranking.user_languages[ranking.pair_queries], ranking.target_languages  # (pairs,)
    known, same = (users > 0) & (targets > 0), users == targets
    found: dict[str, float | None] = {}
    for k in topk:
        hit = known & (ranking.pair_ranks < k)
        share = float(same[hit].mean()) if hit.any() else None
        found[f"same_language@{k}"] = share
        found[f"cross_language@{k}"] = None if share is None else 1.0 - share
    return found


def coverage(shown: Slots) -> float:
    """The share of the catalogue that stands in any list."""
    return float((shown.sum(axis=0) > 0).mean())


def cross_language_coverage(ranking: Coded, shown: Slots) -> float | None:
    """The share of the items that reach a user of another language, of those that could.

    An item could, if there are queries by users of another language than its own. None where no item could.
    """
    names = np.arange(len(ranking.languages))
    asked = np.bincount(ranking.user_languages, minlength=len(names)) > 0  # (languages,)
    other = (names[:, None] > 0) & (names[:, None] != ranking.item_languages) & (ranking.item_languages > 0)
    possible = (other & asked[:, None]).any(axis=0)  # (items,)
    if not possible.any():
        return None
    return float((other & (shown > 0)).any(axis=0)[possible].mean())


def novelty(shown: Slots, counts: NDArray[np.int64]) -> float | None:
    """Mean self-information of a recommended item, -log2 of its share of training interactions, in bits.

    Each item has one interaction more than it has, so that one without any is finite. None where lists are empty.

    Source: Zhou et al., Solving the apparent diversity-accuracy dilemma of recommender systems (PNAS 2010).

    Args:
        shown: `slots`.
        counts: (items,) training interactions.
    """
    places = shown.sum(axis=0)  # (items,)
    if not places.any():
        return None
    bits = -np.log2((counts + 1) / (counts.sum() + len(counts)))
    return float(places @ bits / places.sum())
