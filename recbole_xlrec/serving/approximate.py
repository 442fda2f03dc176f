"""Lists by an index of the items: it names candidates, which are scored exactly and cut to what may be recommended."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.ranking.topk import TopItems
from recbole_xlrec.serving.item_folder import ItemFolder, read_items
from recbole_xlrec.serving.load import LoadedRun
from recbole_xlrec.serving.nearest import KINDS
from recbole_xlrec.serving.scoring import Candidates, VectorScorer, by_inner_product

#: Candidates of a query beyond which looking at all items is as fast.
MOST_FETCHED = 4096


class IndexScorer(VectorScorer):
    """For models whose score is an inner product, and an export of their items.

    Where what may be recommended leaves fewer than k of a query's candidates, its list is made from all items.

    Args:
        run: The run.
        folder: The export.

    Attributes:
        exact: Lists that were made from all items so far.
    """

    def __init__(self, run: LoadedRun, folder: ItemFolder) -> None:
        super().__init__(run)
        self.folder, self.exact = folder, 0

    def top(self, asked: torch.Tensor, k: int, candidates: Candidates) -> TopItems:
        """See `Scorer`; of what the index finds."""
        wanted = self._wanted(len(asked), k, candidates)
        fetched = wanted * KINDS[self.folder.nearest.kind].fetched
        if fetched > min(MOST_FETCHED, len(self.folder.vectors)):
            self.exact += len(asked)
            return super().top(asked, k, candidates)
        queries = asked.float().cpu().numpy()
        rows = np.sort(self.folder.nearest.search(queries, wanted, fetched), axis=1)  # (queries, fetched)
        items = torch.from_numpy(rows + 1)  # numbers of the catalogue; 0 for none
        scores = torch.from_numpy(np.einsum("qw,qkw->qk", queries, self.folder.vectors[np.maximum(rows, 0)]))
        scores.masked_fill_(~self._may_be(items, candidates), -torch.inf)
        values, order = scores.sort(dim=1, descending=True, stable=True)  # of equal scores the smaller number first
        ids = torch.where(torch.isfinite(values), items.gather(1, order), 0)
        found = TopItems(values[:, :k].contiguous().to(asked.device), ids[:, :k].contiguous().to(asked.device))
        return self._filled(found, asked, k, candidates)

    def _wanted(self, queries: int, k: int, candidates: Candidates) -> int:
        """How many of the nearest items hold k that may be recommended, if they are spread evenly."""
        seen, share = 0, 1.0
        if candidates.exclude is not None and len(candidates.exclude[0]):
            seen = int(candidates.exclude[0].bincount(minlength=queries).max())
        if candidates.allowed is not None:
            share = float(candidates.allowed[1:].float().mean())
        if candidates.codes is not None:
            counts = candidates.codes[1][1:].clamp(min=0).bincount()
            mine = candidates.codes[0].unique()
            share *= float(counts[mine[mine < len(counts)]].min()) / len(self.folder.vectors)
        return math.ceil((k + seen) / share) if share > 0 else len(self.folder.vectors)

    def _may_be(self, items: torch.Tensor, candidates: Candidates) -> torch.Tensor:
        """(queries, fetched) true where an item may be given."""
        allowed, exclude, codes = (
            None if part is None else part.cpu() if isinstance(part, torch.Tensor) else (part[0].cpu(), part[1].cpu())
            for part in candidates
        )
        may = items > 0
        if allowed is not None:
            may &= allowed[items]
        if codes is not None:
            may &= codes[0][:, None] == codes[1][items]
        if exclude is not None:
            pairs = torch.arange(len(items))[:, None] * (len(self.folder.vectors) + 1) + items
            may &= ~torch.isin(pairs, exclude[0] * (len(self.folder.vectors) + 1) + exclude[1])
        return may

    def _filled(self, found: TopItems, asked: torch.Tensor, k: int, candidates: Candidates) -> TopItems:
        """Makes the lists that are too short anew from all items."""
        short = (~torch.isfinite(found.scores[:, -1])).nonzero().flatten()  # (short,)
        if found.scores.shape[1] < k:
            short = torch.arange(len(asked), device=asked.device)
        if not len(short):
            return found
        self.exact += len(short)
        whole = super().top(asked[short], k, candidates.of(short))
        if len(short) == len(asked):
            return whole
        found.scores[short], found.ids[short] = whole
        return found


def indexed_scorer(run: LoadedRun, folder: Path) -> IndexScorer:
    """The scorer of a run by an export of its items.

    Raises:
        ConfigError: If the model's score is no inner product.
        DataError: See `read_items`.
    """
    check_inner_product(run.model)
    return IndexScorer(run, read_items(folder, run.folder))


def check_inner_product(model: Any) -> None:
    """Refuses models of which items have no vectors to be searched.

    Raises:
        ConfigError: See there.
    """
    if not by_inner_product(model):
        raise ConfigError(
            f"the score of {type(model).__name__} is no inner product of a user's and an item's vector, so that there "
            "are no item vectors to export or search. Models that have: XLProfile, XLAlphaRec, XLSASRec. Of others, "
            "recommend without --index"
        )
