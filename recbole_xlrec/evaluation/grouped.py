"""Metrics of a coded ranking for groups of its targets: each query's targets of one language, or of one popularity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.evaluation.coded import Coded
from recbole_xlrec.evaluation.metrics import METRICS, check_metrics

Values = NDArray[np.float64]
_BLOCK = 1 << 14  # groups at once, so that the tables of a metric stay in the processor's cache


class Groups(NamedTuple):
    """Parts of queries, each with the metrics of the query's list against that part of its targets.

    Attributes:
        queries: (groups,) the query of each.
        keys: (groups,) the key that its targets share.
        values: ``ndcg@10`` and so on -> (groups,).
    """

    queries: NDArray[np.int64]
    keys: NDArray[np.int64]
    values: dict[str, Values]


def grouped(
    ranking: Coded, metrics: Sequence[str], topk: Sequence[int], keys: NDArray[np.integer] | None = None
) -> Groups:
    """Scores each query's list against its targets of one key, for every key that it has.

    Args:
        ranking: The ranking.
        metrics: Names in `METRICS`, in any case.
        topk: Cut-offs, none longer than the lists.
        keys: (pairs,) from 0; None for one group a query, so that the groups are the queries in their order.

    Raises:
        ConfigError: For an unknown metric, or a cut-off longer than the lists.
    """
    names = check_metrics(metrics, topk, ranking.length)
    group: NDArray[np.integer]
    if keys is None:
        queries, codes = np.arange(ranking.queries), np.zeros(ranking.queries, dtype=np.int64)
        group, ranks = ranking.pair_queries, ranking.pair_ranks
    else:
        several = int(keys.max(initial=0)) + 1
        found, group = np.unique(ranking.pair_queries * np.int64(several) + keys, return_inverse=True)
        order = np.argsort(group, kind="stable")
        group, ranks = group[order], ranking.pair_ranks[order]
        queries, codes = np.divmod(found, several)
    values = _scored(group, ranks, len(queries), names, topk)
    return Groups(queries, codes, values)


def _scored(
    group: NDArray[np.integer], ranks: NDArray[np.integer], count: int, names: Sequence[str], topk: Sequence[int]
) -> dict[str, Values]:
    """The metrics of each group; `group` (pairs,) rises, `ranks` (pairs,) are places in the list."""
    longest = max(topk, default=0)
    targets = np.bincount(group, minlength=count)  # (groups,)
    values = {f"{name}@{k}": np.empty(count) for name in names for k in topk}
    edges = range(0, count, _BLOCK)
    ends = np.searchsorted(group, [*edges, count])
    for start, low, high in zip(edges, ends, ends[1:], strict=False):
        some = slice(start, min(start + _BLOCK, count))
        listed = ranks[low:high] < longest
        hits = np.zeros((some.stop - start, longest), dtype=bool)
        hits[group[low:high][listed] - start, ranks[low:high][listed]] = True
        for name in names:
            for k in topk:
                values[f"{name}@{k}"][some] = METRICS[name](hits[:, :k], targets[some])
    return values


def means(values: Mapping[str, Values], codes: NDArray[np.integer], count: int) -> tuple[dict[str, Values], Any]:
    """The mean of each metric by code, (count,), NaN where there are none; and how many there are, (count,) int."""
    sizes = np.bincount(codes, minlength=count)
    with np.errstate(invalid="ignore"):  # 0 / 0, where there are none
        found = {name: np.bincount(codes, value, minlength=count) / sizes for name, value in values.items()}
    return found, sizes


def table(
    values: Mapping[str, Values], codes: NDArray[np.integer], names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The means by name, with their number as ``queries``; names without any are left out, and the empty name."""
    found, sizes = means(values, codes, len(names))
    return {
        name: {**{metric: float(mean[code]) for metric, mean in found.items()}, "queries": int(sizes[code])}
        for code, name in enumerate(names)
        if name and sizes[code]
    }
