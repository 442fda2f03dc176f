"""A ranking of three queries in two languages, small enough to work everything out by hand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from recbole_xlrec.evaluation.context import Context
from recbole_xlrec.ranking.ranking import Ranking


class ByHand(NamedTuple):
    """A ranking, its context, and vectors of the items a, b (German), c, d (English; d has no text)."""

    ranking: Ranking
    context: Context
    vectors: np.ndarray


@pytest.fixture(scope="session")
def by_hand() -> ByHand:
    """German users 1 and 2, English user 3; a is popular, b less so, c hardly, d is cold."""
    ranking = Ranking.of(
        query_ids=np.array(["u1", "u2", "u3"]),
        item_ids=np.array([["a", "c"], ["b", ""], ["c", "a"]]),
        scores=np.array([[2, 1], [2, -np.inf], [2, 1]], dtype=np.float32),
        target_ids=np.array([["a", "c"], ["d", ""], ["a", ""]]),
        languages=np.array(["de", "de", "en"]),
    )
    context = Context(
        item_ids=np.array(["a", "b", "c", "d"]),
        item_languages=np.array(["de", "de", "en", "en"]),
        item_counts=np.array([6, 2, 2, 0]),
        history_starts=np.array([0, 2, 5, 5]),
        history_items=np.array([1, 0, 0, 2, 3], dtype=np.int32),  # b, a; a, c, d; nothing
    )
    return ByHand(ranking, context, np.array([[1, 0], [0, 2], [3, 4], [0, 0]], dtype=np.float32))
