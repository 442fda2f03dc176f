"""Nearest neighbours by inner product with FAISS (extra `[ann]`): kinds of index, built, tuned, written and read.

- flat: every item is looked at (exact).
- ivf: items in cells about centroids, of which the nearest `nprobe` are looked at (Jégou et al., 2011).
- hnsw: a graph of neighbours, walked with a list of `efSearch` candidates (Malkov and Yashunin, 2020).
- pq: cells as of ivf, items in product-quantised codes of 4 bits for 2 columns, compared by table look-ups in
  registers (André et al., 2015; FAISS' fast scan); what is found is put in order by the exact scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, DataError

IndexKind = Literal["flat", "ivf", "hnsw", "pq"]
Vectors = NDArray[np.float32]
#: Length of the lists by whose recall an index is tuned.
TUNED_FOR = 100
#: Items that centroids and codes are learned from, of each cell at most.
_TRAINING = 64


class Kind(NamedTuple):
    """A kind of index.

    Attributes:
        factory: Items and width to FAISS' description of the index.
        effort: Values of what makes a search longer and better, rising.
        fetched: Candidates for each place of a list: more than one where the index's own scores are not exact.
        least: Items that it needs.
    """

    factory: Callable[[int, int], str]
    effort: tuple[int, ...]
    fetched: int
    least: int


def cells(items: int) -> int:
    """Cells of ivf and pq: a power of two near 4 √items, such that each has 39 items or more to learn from."""
    return 2 ** max(0, min(round(math.log2(4 * math.sqrt(items))), int(math.log2(max(1, items / 39)))))


_PROBES = (1, 2, 3, *(quarters * 2**power for power in range(11) for quarters in (4, 5, 6, 7)))
KINDS: dict[str, Kind] = {
    "flat": Kind(lambda items, width: "Flat", (0,), 1, 1),
    "ivf": Kind(lambda items, width: f"IVF{cells(items)},Flat", _PROBES, 1, 39),
    "hnsw": Kind(lambda items, width: "HNSW32,Flat", _PROBES[12:], 1, 1),
    "pq": Kind(lambda items, width: f"IVF{cells(items)},PQ{width // 2}x4fs", _PROBES, 4, 39),
}


def faiss_module() -> Any:
    """FAISS.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise ConfigError("an index of item vectors needs faiss: pip install 'recbole_xlrec[ann]'") from error
    return faiss


class NearestIndex:
    """A FAISS index of items.

    Args:
        index: FAISS' own.
        kind: Name of one of `KINDS`.
        effort: One of the kind's.
    """

    def __init__(self, index: Any, kind: str, effort: int) -> None:
        self.index, self.kind, self.effort = index, kind, effort

    def search(self, queries: Vectors, k: int, fetched: int) -> NDArray[np.int64]:
        """Rows of the nearest items, (queries, fetched); -1 where there is none.

        Args:
            queries: (queries, width).
            k: Items that are wanted; beyond `TUNED_FOR` effort grows with it.
            fetched: How many are given, k or more.
        """
        effort = math.ceil(self.effort * max(1, k / TUNED_FOR))
        if self.kind in ("ivf", "pq"):
            self.index.nprobe = min(self.index.nlist, effort)
        elif self.kind == "hnsw":
            self.index.hnsw.efSearch = max(effort, fetched)
        return self.index.search(np.ascontiguousarray(queries, dtype=np.float32), fetched)[1]

    def write(self, path: Path) -> None:
        """Writes FAISS' format."""
        faiss_module().write_index(self.index, str(path))

    @classmethod
    def read(cls, path: Path, kind: str, effort: int) -> NearestIndex:
        """Reads FAISS' format.

        Raises:
            DataError: If the file is none.
        """
        try:
            return cls(faiss_module().read_index(str(path)), kind, effort)
        except RuntimeError as error:
            raise DataError(
                f"{path} cannot be read as a FAISS index: {str(error)[:200]}. Export the run again"
            ) from error


def build(vectors: Vectors, kind: str) -> NearestIndex:
    """An index of vectors (items, width), with the least effort.

    Raises:
        ConfigError: If the kind is not known, or the vectors are too few or too narrow for it, or FAISS is absent.
    """
    faiss = faiss_module()
    items, width = vectors.shape
    chosen = KINDS[kind]
    if items < chosen.least or (kind == "pq" and width % 2):
        raise ConfigError(
            f"an index of the kind {kind} needs {chosen.least} items or more, and pq an even width; found {items} "
            f"items, {width} wide. Take --index flat"
        )
    index = faiss.index_factory(width, chosen.factory(items, width), faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        most = _TRAINING * index.nlist
        rows = np.random.default_rng(0).choice(items, min(items, max(most, 2**12)), replace=False)
        index.train(np.ascontiguousarray(vectors[np.sort(rows)]))
    index.add(vectors)
    return NearestIndex(index, kind, chosen.effort[0])


def tune(index: NearestIndex, vectors: Vectors, queries: Vectors, exact: NDArray[np.int64], recall: float) -> float:
    """Sets the least effort at which the lists hold what they must, and says how much they hold.

    Args:
        index: The index.
        vectors: (items, width).
        queries: (queries, width).
        exact: (queries, k) rows of the true lists.
        recall: Share of the true lists that is asked for.

    Returns:
        The share that the lists hold; less than asked for where the greatest effort does not reach it.
    """
    found = 0.0
    for effort in KINDS[index.kind].effort:
        index.effort = effort
        found = recall_of(refined(index, vectors, queries, exact.shape[1]), exact)
        if found >= recall:
            break
    return found


def refined(index: NearestIndex, vectors: Vectors, queries: Vectors, k: int) -> NDArray[np.int64]:
    """Rows of the k best, (queries, k), of what the index gives by their exact scores."""
    fetched = min(len(vectors), k * KINDS[index.kind].fetched)
    rows = index.search(queries, k, fetched)  # (queries, fetched)
    scores = np.einsum("qw,qkw->qk", queries, vectors[np.maximum(rows, 0)])
    scores[rows < 0] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(rows, order, axis=1)


def recall_of(found: NDArray[np.int64], exact: NDArray[np.int64]) -> float:
    """The share of true lists (queries, k) that found ones hold.

    Example:
        >>> recall_of(np.array([[1, 2], [3, -1]]), np.array([[2, 1], [4, 3]]))
        0.75
    """
    shared = [np.isin(true, own).mean() for own, true in zip(found, exact, strict=True)]
    return float(np.mean(shared))
