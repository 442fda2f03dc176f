"""Full ranking by lists: what RecBole's evaluation needs of a batch, without a matrix of queries by items.

RecBole scores every item for every query and then takes the best. Where the score is an inner product, `top_items`
gives the best directly, and most metrics need no more. Others, and other models, keep RecBole's way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from recbole.evaluator import Collector
from recbole.evaluator.register import metric_information

from recbole_xlrec.bridge.language_metrics import LANGUAGE, user_languages
from recbole_xlrec.model.inner_product import InnerProduct
from recbole_xlrec.ranking.topk import Pairs, TopItems, top_items

_NEEDS_LISTS_ONLY = {
    "rec.items",
    "rec.topk",
    LANGUAGE,
    "data.num_items",
    "data.num_users",
    "data.count_items",
    "data.count_users",
}


class RetrievalCollector(Collector):
    """RecBole's collector, which takes lists in place of the score matrix too, and knows the users' languages."""

    _languages: torch.Tensor | None = None  # (users,) codes

    def data_collect(self, train_data: Any) -> None:
        """As RecBole's; what languages' metrics need is there before training begins, or refused."""
        self.read_languages(train_data._dataset)
        super().data_collect(train_data)

    def read_languages(self, dataset: Any) -> None:
        """Reads the users' languages, if a metric needs them.

        Raises:
            ConfigError: If the users carry none.
        """
        if self.register.need(LANGUAGE):
            self._languages = user_languages(dataset, self.register.metrics)

    def collect_users(self, user_ids: torch.Tensor) -> None:
        """Collects the languages of a batch's queries.

        Args:
            user_ids: The user of each query, (batch,); in the order of the queries, which may be fewer than the rows.
        """
        if self._languages is not None:
            self.data_struct.update_tensor(LANGUAGE, self._languages[user_ids.cpu()])

    def eval_batch_collect(
        self, scores_tensor: torch.Tensor | TopItems, interaction: Any, positive_u: Any, positive_i: Any
    ) -> None:
        """Collects what the metrics need of a batch.

        Where a query has fewer candidates than the cut-off, ``rec.items`` is filled up with the padding item; RecBole
        fills it up with items that are no candidates.

        Args:
            scores_tensor: Scores (batch, items), or lists of the longest cut-off or longer.
            interaction: The batch.
            positive_u: Rows of the targets (targets,).
            positive_i: Items of the targets (targets,).
        """
        if not isinstance(scores_tensor, TopItems):
            super().eval_batch_collect(scores_tensor, interaction, positive_u, positive_i)
            return
        top = TopItems(*(part[:, : max(self.topk)] for part in scores_tensor))
        if self.register.need("rec.items"):
            self.data_struct.update_tensor("rec.items", top.ids)
        if self.register.need("rec.topk"):
            self.data_struct.update_tensor("rec.topk", hits_and_targets(top, positive_u, positive_i))

    def get_data_struct(self) -> Any:
        """What was collected.

        RecBole moves all of it to the processor, and fails at numbers and counters of the training data, which metrics
        of items need (RecBole #2131, #2191, #2194).
        """
        data = self.data_struct._data_dict
        plain = {name: data.pop(name) for name in list(data) if not isinstance(data[name], torch.Tensor)}
        try:
            struct = super().get_data_struct()
        finally:
            data.update(plain)
        for name, value in plain.items():
            struct.set(name, value)
        data.pop(LANGUAGE, None)  # of this evaluation; RecBole empties what it knows
        return struct


def hits_and_targets(top: TopItems, rows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """What RecBole calls ``rec.topk``, (batch, k + 1): 1 where an item is a target, and the number of targets.

    Args:
        top: Lists, (batch, k).
        rows: The row of each target, (targets,).
        targets: Item ids, (targets,); repeated ones count once, those that are no candidates count as missed.
    """
    rows, targets = rows.to(top.ids.device), targets.to(top.ids.device)
    base = int(torch.maximum(top.ids.amax(), targets.amax())) + 1
    wanted = torch.unique(rows * base + targets)
    found = torch.arange(len(top.ids), device=top.ids.device)[:, None] * base + top.ids  # (batch, k)
    hits = torch.isin(found, wanted) & torch.isfinite(top.scores)
    counts = torch.bincount(wanted // base, minlength=len(top.ids))  # (batch,)
    return torch.cat([hits.long(), counts[:, None]], dim=1)


def lists_suffice(model: Any, collector: Any) -> bool:
    """True if the model's score is an inner product, and the metrics ask for nothing but lists."""
    if not isinstance(model, InnerProduct) or type(model).full_sort_predict is not InnerProduct.full_sort_predict:
        return False
    needs = {need for metric in collector.register.metrics for need in metric_information[metric]}
    return needs <= _NEEDS_LISTS_ONLY


def retrieve(model: Any, batch: Any, k: int, codes: Pairs | None) -> TopItems:
    """The k best candidates of each query of a batch of RecBole's full-ranking loader.

    Args:
        model: An `InnerProduct`.
        batch: The queries, on the model's device; their histories as (rows, items) or None, which are no candidates.
        k: Length of the lists; may be more than there are items.
        codes: Codes of the queries (batch,) and items (items,), of which only equal ones are candidates.
    """
    queries, history = batch
    return top_items(model.query_vectors(queries), model.items_once(), k, exclude=history, languages=codes)


@contextmanager
def queries_at_once(loader: Any, count: int) -> Iterator[None]:
    """Lets a full-ranking loader of a general model give so many queries a batch.

    RecBole's gives ``eval_batch_size`` divided by the number of items, since it thinks of the score matrix: with a
    large catalogue that is one. Loaders of sequential models go by queries already.
    """
    batches = loader.batch_sampler
    before = batches.batch_size
    batches.batch_size = before if loader.is_sequential else count
    try:
        yield
    finally:
        batches.batch_size = before
