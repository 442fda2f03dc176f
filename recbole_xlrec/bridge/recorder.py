"""The lists of an evaluation, collected batch by batch, as a ranking."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from recbole_xlrec.ranking.ranking import Ranking
from recbole_xlrec.ranking.topk import TopItems


class RankingRecorder:
    """Collects top-k lists batch by batch, in internal ids.

    Args:
        length: Length of the lists.
        head: RecBole's own longest cut-off. The first `head` items are chosen by the call that RecBole's collector
            makes, so that ties fall alike and metrics of the ranking equal RecBole's.
    """

    def __init__(self, length: int, head: int) -> None:
        self.length, self.head = length, head
        self._batches: list[tuple[np.ndarray, ...]] = []
        self._queries = 0

    def add(self, user_ids: torch.Tensor, scores: torch.Tensor, positive_u: Any, positive_i: Any) -> None:
        """Adds a batch: users (batch,), scores (batch, items), and rows and items of the targets (targets,)."""
        self.add_lists(user_ids, TopItems(*self._top(scores)), positive_u, positive_i)

    def add_lists(self, user_ids: torch.Tensor, top: TopItems, positive_u: Any, positive_i: Any) -> None:
        """Adds a batch whose best items are known, (batch, length) of them, as those of every other batch."""
        rows = np.asarray(positive_u, dtype=np.int64) + self._queries
        self._queries += len(user_ids)
        batch = (
            user_ids.cpu().numpy(),
            top.ids.cpu().numpy(),
            top.scores.float().cpu().numpy(),
            rows,
            np.asarray(positive_i),
        )
        self._batches.append(batch)

    def _top(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, items = torch.topk(scores, min(self.head, scores.shape[1]), dim=-1)
        more = min(self.length, scores.shape[1]) - items.shape[1]
        if more > 0:
            rest = scores.scatter(1, items, -torch.inf)
            more_values, more_items = torch.topk(rest, more, dim=-1)
            values, items = torch.cat([values, more_values], dim=1), torch.cat([items, more_items], dim=1)
        return values, items

    def ranking(self, dataset: Any) -> Ranking | None:
        """The ranking; None if no batch was ranked."""
        if not self._batches:
            return None
        users, items, scores, rows, targets = map(np.concatenate, zip(*self._batches, strict=True))
        listed = np.where(np.isfinite(scores), items, -1).astype(np.int32)  # (queries, k)
        languages = np.full(len(users), "")
        if dataset.languages is not None:
            languages = np.array(dataset.languages.names)[dataset.languages.users[users]]
        user_ids = dataset.field2id_token[dataset.uid_field][users].astype(str)
        wanted = padded(rows, targets, len(users))
        return Ranking(user_ids, listed, scores, wanted, languages, dataset.item_ids).compact()


def padded(rows: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Lists of codes as rows of one array (count, longest list), filled up with -1; `rows` may be in any order."""
    order = np.argsort(rows, kind="stable")
    rows, values = rows[order], values[order]
    sizes = np.bincount(rows, minlength=count)
    table = np.full((count, int(sizes.max(initial=0))), -1, dtype=np.int32)
    table[rows, np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)] = values
    return table
