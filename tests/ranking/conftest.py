"""Lists for the tests of this folder: by hand, and of members that see one truth through noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from recbole_xlrec.ranking.align import Aligned
from recbole_xlrec.ranking.lists import Lists, empty_lists


@pytest.fixture(scope="session")
def make_lists() -> Callable[..., Lists]:
    """Makes lists of items; scores fall to 1 at the end of each where none are given."""

    def make(
        items: Sequence[Sequence[int]], scores: Sequence[Sequence[float]] | None = None, k: int | None = None
    ) -> Lists:
        lists = empty_lists(len(items), k or max(map(len, items)))
        for row, listed in enumerate(items):
            lists.items[row, : len(listed)] = listed
            lists.scores[row, : len(listed)] = range(len(listed), 0, -1) if scores is None else scores[row]
        return lists

    return make


@pytest.fixture(scope="session")
def shown() -> Callable[[Lists], list[list[int]]]:
    """Gives the items of each list without its empty places."""
    return lambda lists: [[int(item) for item in row if item >= 0] for row in lists.items]


@pytest.fixture(scope="session")
def noisy() -> Callable[..., Aligned]:
    """Makes members that see one truth, each through its own noise; the one target is what is truly best."""

    def make(queries: int, noises: Sequence[float], k: int = 20, items: int = 60, seed: int = 0) -> Aligned:
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=(queries, items))
        members = [_seen(truth + noise * rng.normal(size=truth.shape), k) for noise in noises]
        ids = np.array([f"i{item}" for item in range(items)])
        users = np.array([f"u{seed}-{row}" for row in range(queries)])
        targets = truth.argmax(axis=1)[:, None].astype(np.int32)
        return Aligned(members, targets, users, np.full(queries, "de"), ids)

    return make


def _seen(scores: NDArray[np.float64], k: int) -> Lists:
    order = np.argsort(-scores, axis=1)[:, :k]
    return Lists(order.astype(np.int32), np.take_along_axis(scores, order, axis=1).astype(np.float32))
