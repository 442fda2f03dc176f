"""The best items of many queries by inner product, without a matrix of queries by items.

Items pass by in blocks. A block's scores that beat what a query already holds are few; only these are collected, and
merged with what it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch

#: Scores in memory at once: 16 MB of float32, so that memory is used again and not asked for anew at every block.
#: Nothing else that is made on the way is larger than four times that.
CELLS = 2**22
ROWS = 1024

Pairs = tuple[torch.Tensor, torch.Tensor]


class TopItems(NamedTuple):
    """Lists of items, best first.

    Attributes:
        scores: (queries, k) float32; -inf where a query has fewer than k candidates.
        ids: (queries, k) int64; 0 where the score is -inf.
    """

    scores: torch.Tensor
    ids: torch.Tensor


def top_items(
    queries: torch.Tensor,
    items: torch.Tensor,
    k: int,
    *,
    exclude: Pairs | None = None,
    languages: Pairs | None = None,
    first: int = 1,
    block: int | None = None,
) -> TopItems:
    """The k items of the largest inner product with each query; of equal scores the smaller id comes first.

    Products are taken in the vectors' own precision, or autocast's, and compared in float32. Since the shape of a
    product can change a score in its last bit, two blockings may order items whose scores are that close differently.
    A score that is no number is that of no candidate.

    Args:
        queries: (queries, width).
        items: (items, width), on the device of the queries.
        k: Length of the lists, 1 or more; may be more than there are items.
        exclude: Queries (pairs,) and items (pairs,) that are no candidates of theirs, in any order, on any device.
        languages: Codes (queries,) and (items,); only items of the query's own code are its candidates.
        first: Items before this one are nobody's candidates: padding.
        block: Items that are scored at once; chosen so that memory stays bounded where it is None.

    Returns:
        Scores and ids; beyond them some 200 MB are used, however many queries and items there are.

    Raises:
        ValueError: If k, first or block is out of range, or the widths differ.
    """
    if k < 1 or first < 0 or (block is not None and block < 1):
        raise ValueError(f"k and block are 1 or more and first is 0 or more; found {k}, {block} and {first}")
    if queries.shape[1] != items.shape[1]:
        raise ValueError(f"queries are {queries.shape[1]} wide and items {items.shape[1]}")
    scores = torch.full((len(queries), k), -torch.inf, device=queries.device)
    ids = torch.zeros((len(queries), k), dtype=torch.int64, device=queries.device)
    kept = min(k, len(items) - first)
    if kept <= 0 or not len(queries):
        return TopItems(scores, ids)
    exclude, languages = _on(queries.device, exclude), _on(queries.device, languages)
    rows, width = _sizes(len(queries), len(items), kept, block)
    starts = range(first, len(items), width)
    for low, out in zip(range(0, len(queries), rows), _excluded(exclude, len(queries), rows, starts), strict=True):
        some = slice(low, low + rows)
        codes = None if languages is None else (languages[0][some], languages[1])
        best = _best_of(queries[some], items, kept, out, codes, starts)
        scores[some, :kept], ids[some, :kept] = best
    return TopItems(scores, ids)


def _on(device: torch.device, pairs: Pairs | None) -> Pairs | None:
    return None if pairs is None else (pairs[0].to(device), pairs[1].to(device))


def _sizes(queries: int, items: int, kept: int, block: int | None) -> tuple[int, int]:
    """Queries and items at once, such that a table of the queries by items and lists stays within `CELLS`."""
    if block is not None:
        return min(queries, max(1, CELLS // (block + kept))), block
    rows = min(queries, ROWS, max(1, CELLS // (2 * kept)))
    return rows, min(items, max(kept, CELLS // rows - kept))


def _excluded(exclude: Pairs | None, queries: int, rows: int, starts: range) -> Iterator[list[Pairs] | None]:
    """For each so many rows of queries the pairs of each block, as places in the table of the block's scores."""
    lows = range(0, queries, rows)
    if exclude is None:
        yield from (None for _ in lows)
        return
    order = exclude[0].argsort()
    query, item = exclude[0][order], exclude[1][order]
    ends = torch.searchsorted(query, torch.tensor([*lows, queries], device=query.device)).tolist()
    edges = torch.tensor([*starts, torch.iinfo(torch.int64).max], device=query.device)
    for low, begin, end in zip(lows, ends, ends[1:], strict=False):
        order = item[begin:end].argsort()
        row, column = query[begin:end][order] - low, item[begin:end][order]
        cuts = torch.searchsorted(column, edges).tolist()
        yield [(row[a:b], column[a:b] - start) for start, a, b in zip(starts, cuts, cuts[1:], strict=False)]


def _best_of(
    queries: torch.Tensor,
    items: torch.Tensor,
    k: int,
    excluded: list[Pairs] | None,
    languages: Pairs | None,
    starts: range,
) -> TopItems:
    """`top_items` of a few queries, block after block."""
    held = torch.full((len(queries), k), -torch.inf, device=queries.device)
    best = TopItems(held, torch.zeros_like(held, dtype=torch.int64))
    for number, start in enumerate(starts):
        some = slice(start, start + starts.step)
        scores = (queries @ items[some].T).float()  # (rows, block)
        if languages is not None:
            scores.masked_fill_(languages[0][:, None] != languages[1][None, some], -torch.inf)
        if excluded is not None:
            scores[excluded[number]] = -torch.inf
        better = scores > best.scores[:, -1:]  # strictly: of equal scores the earlier item, the one held, is first
        row, column = better.nonzero(as_tuple=True)  # row by row, ids rising
        counts = row.bincount(minlength=len(queries))
        if counts.amax() > 2 * k:
            row, column = _only_top(scores, better, k).nonzero(as_tuple=True)
            counts = row.bincount(minlength=len(queries))
        if len(row):
            place = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
            best = _merged(best, scores[row, column], row, place, column + start)
    return best


def _only_top(scores: torch.Tensor, better: torch.Tensor, k: int) -> torch.Tensor:
    """Of the marked scores (rows, block) the k best a row, and all that equal the last of them."""
    scores.masked_fill_(~better, -torch.inf)
    last = scores.topk(k, dim=1, sorted=False).values.amin(dim=1, keepdim=True)  # (rows, 1)
    return better & (scores >= last)


def _merged(
    best: TopItems, scores: torch.Tensor, row: torch.Tensor, place: torch.Tensor, ids: torch.Tensor
) -> TopItems:
    """The lists with more items, (found,) each: scores, the row and the place among that row's, and ids, rising."""
    rows, k = best.ids.shape
    new = TopItems(*(part.new_zeros(rows, int(place.amax()) + 1) for part in best))
    new.scores.fill_(-torch.inf)
    new.scores[row, place], new.ids[row, place] = scores, ids
    together = torch.cat([best.scores, new.scores], dim=1)
    values, order = together.sort(dim=1, descending=True, stable=True)  # stable: smaller ids stay before larger ones
    listed = torch.cat([best.ids, new.ids], dim=1).gather(1, order[:, :k])
    return TopItems(values[:, :k].contiguous(), listed)
