"""Kinds of index on vectors large enough for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.serving.nearest import KINDS, NearestIndex, build, cells, recall_of, refined, tune

pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Items about 40 centres, (4000, 16)."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 16), dtype=np.float32)
    return centres[rng.integers(0, 40, 4000)] + 0.3 * rng.standard_normal((4000, 16), dtype=np.float32)


def _queries(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """50 queries and their true best 20."""
    queries = vectors[::80] + 0.1 * np.random.default_rng(1).standard_normal((50, 16), dtype=np.float32)
    return queries, np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :20]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_tuned_to_the_recall_asked_for_and_comes_back_from_its_file(
    kind: str, vectors: np.ndarray
) -> None:
    queries, exact = _queries(vectors)
    index = build(vectors, kind)
    reached = tune(index, vectors, queries, exact, 0.98)
    assert reached >= (0.9 if kind == "pq" else 0.98)  # of 4 bits for 2 columns, 16 columns keep little
    index.write(Path("index"))
    again = NearestIndex.read(Path("index"), kind, index.effort)
    found = refined(again, vectors, queries, 20)
    assert recall_of(found, exact) == pytest.approx(reached)
    assert found.tolist() == refined(index, vectors, queries, 20).tolist()


def test_tuning_takes_no_more_effort_than_it_needs(vectors: np.ndarray) -> None:
    queries, exact = _queries(vectors)
    index = build(vectors, "ivf")
    efforts, recalls = [], []
    for recall in (0.5, 0.9, 1.0):
        recalls.append(tune(index, vectors, queries, exact, recall))
        efforts.append(index.effort)
    assert efforts == sorted(efforts)
    assert efforts[0] < efforts[-1]
    assert recalls[-1] == 1.0
    less = KINDS["ivf"].effort[KINDS["ivf"].effort.index(efforts[-1]) - 1]
    assert recall_of(refined(NearestIndex(index.index, "ivf", less), vectors, queries, 20), exact) < 1.0


def test_a_longer_list_is_searched_with_more_effort(vectors: np.ndarray) -> None:
    index = build(vectors, "ivf")
    index.effort = 4
    for k, probes in ((10, 4), (100, 4), (250, 10), (100_000, index.index.nlist)):
        index.search(vectors[:1], k, min(k, 100))
        assert index.index.nprobe == probes


def test_places_beyond_what_an_index_finds_are_empty(vectors: np.ndarray) -> None:
    index = build(vectors, "ivf")
    index.effort = 1
    rows = index.search(vectors[:1], 1, 4000)
    assert rows.shape == (1, 4000)
    assert rows[0, 0] >= 0
    assert rows[0, -1] == -1


@pytest.mark.parametrize(("items", "found"), [(39, 1), (78, 2), (10_000, 256), (1_000_000, 4096), (10**9, 131072)])
def test_cells_grow_as_the_root_of_the_items_and_are_never_starved(items: int, found: int) -> None:
    assert cells(items) == found
    assert items // found >= 39


def test_product_quantisation_asks_for_an_even_width(vectors: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="pq an even width; found 4000 items, 15 wide"):
        build(np.ascontiguousarray(vectors[:, :15]), "pq")
