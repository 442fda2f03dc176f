"""What weights are judged by: the candidates of validation queries, laid out so that a try is one product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import DataError
from recbole_xlrec.ranking.align import Aligned
from recbole_xlrec.ranking.lists import Lists, blocks
from recbole_xlrec.ranking.normalise import normalisation as normalise_by
from recbole_xlrec.ranking.ranking import relevant
from recbole_xlrec.ranking.union import union

Weights = NDArray[np.float64]
Value = Callable[[Weights], float]


class Evidence(NamedTuple):
    """Candidates of the queries with a listed target.

    Attributes:
        scores: (rows, most candidates, members) normalised scores, 0 where a member lacks the item.
        there: (rows, most candidates), false beyond a row's own.
        rows: (pairs,) the row of each listed target.
        places: (pairs,) its place among the candidates.
        targets: (rows,) how many targets the query has, listed or not.
        share: How much of all queries these rows stand for, over their number: turns a sum into the mean of all.
    """

    scores: NDArray[np.float64]
    there: NDArray[np.bool_]
    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    targets: NDArray[np.int64]
    share: float


def evidence(validation: Aligned, normalisation: str, most: int) -> Evidence:
    """The candidates in the order in which `fuse` puts equal scores, so that ties are judged as they will be listed."""
    hit = np.flatnonzero(validation.listed())
    if not len(hit):
        raise DataError("no member lists a target of any validation query: there is nothing to fit weights on")
    chosen = np.sort(np.random.default_rng(0).choice(hit, min(most, len(hit)), replace=False))
    some = validation.rows(chosen)
    normalised = normalise_by(normalisation)(some.members)
    scores, items = _candidates(normalised)
    rows, places = np.nonzero(relevant(some.targets, items))
    share = len(hit) / len(chosen) / len(validation.query_ids)
    return Evidence(scores, items >= 0, rows, places, (some.targets >= 0).sum(axis=1), share)


def _candidates(members: Sequence[Lists]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """(rows, most candidates, members) scores and (rows, most candidates) items, by best rank and then code."""
    found = union(members)
    counts, width = found.counts(), found.items.shape[1]
    items = found.items.ravel()[found.starts]  # (groups,)
    row = found.starts // width
    order = np.lexsort((items, found.best(), items < 0, row))  # empty places last
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order)) - np.searchsorted(row, row[order])  # `row` rises
    widest = int(place[items >= 0].max(initial=0)) + 1
    listed = np.full((len(found.items), widest), -1, dtype=np.int32)
    listed[row[items >= 0], place[items >= 0]] = items[items >= 0]
    values = found.gathered(np.concatenate([member.scores for member in members], axis=1))  # (cells,)
    group = np.repeat(np.arange(len(items)), counts)  # (cells,)
    cells = items[group] >= 0
    scores = np.zeros((len(found.items), widest, len(members)))
    where = group[cells]
    scores[row[where], place[where], found.gathered(found.members)[cells]] = values[cells]
    return scores, listed


def ndcg_of(evidence: Evidence, k: int) -> Value:
    """NDCG@k of all validation queries as a function of the weights."""
    discounts = 1 / np.log2(np.arange(2, k + 2))  # (k,)
    ideal = np.cumsum(discounts)[np.minimum(evidence.targets, k) - 1]  # (rows,)
    columns = np.arange(evidence.there.shape[1])
    gains = np.append(discounts, 0) * evidence.share

    def value(weights: Weights) -> float:
        total = 0.0
        for some in blocks(len(evidence.rows), len(columns)):
            rows, places = evidence.rows[some], evidence.places[some][:, None]
            fused = (evidence.scores[rows] @ weights).astype(np.float32)  # (pairs, candidates)
            fused[~evidence.there[rows]] = -np.inf
            own = np.take_along_axis(fused, places, axis=1)
            above = (fused > own) | ((fused == own) & (columns < places))
            total += float((gains[np.minimum(above.sum(axis=1), k)] / ideal[rows]).sum())
        return total

    return value
