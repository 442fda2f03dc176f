"""Items that a user has met are no candidates, also where RecBole ranks them or the protocol has taken them out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from recbole.data.dataloader import FullSortEvalDataLoader

from recbole_xlrec.bridge.lazy_sequences import PLACE
from recbole_xlrec.bridge.ranking_context import gathered
from recbole_xlrec.errors import ConfigError


def mask_met(loader: Any) -> None:
    """Adds the interactions that no part holds to what the samplers and loader of an evaluation know.

    RecBole reads off the parts which items a user has met before, and ranks none of them. Without this, an item that a
    hidden user has met would be a candidate, and a query would have other candidates under each protocol. Models that
    may repeat items, sequential ones among them, rank all in RecBole, and here: but see `without_met`.
    """
    if not loader:
        return
    pairs = getattr(loader._dataset, "met_elsewhere", None)
    if pairs is None or loader._sampler is None or loader.config["repeatable"]:
        return
    used = loader._sampler.used_ids
    for user, item in zip(*pairs, strict=True):
        used[user].add(item)
    if isinstance(loader, FullSortEvalDataLoader) and not loader.is_sequential:
        for user in loader.uid_list.tolist():
            loader._set_user_property(user, used[user], set(loader.uid2positive_item[user].tolist()))


def without_met(batch: Any, dataset: Any) -> Any:
    """A batch of a sequential loader whose candidates are what a user has not met: as those of other models.

    Args:
        batch: Queries, histories (None), rows and items of the targets, as RecBole's full-ranking loader gives them.
        dataset: The part; its sequences are lazy.

    Raises:
        ConfigError: If the part was split before, so that it does not know all of a history.
    """
    queries, _, rows, targets = batch
    if dataset._flat is None:
        raise ConfigError("exclude_met: benchmark files hold histories that are cut already; leave the key out")
    users = dataset._flat[dataset.uid_field].numpy()  # (interactions,)
    asked = queries[dataset.uid_field].numpy()  # (batch,)
    begins, ends = np.searchsorted(users, asked), queries[PLACE].numpy()
    if dataset.targets_hidden:  # and a user's later interactions are with items that are not
        ends = np.searchsorted(users, asked, side="right")
    starts, met = gathered(dataset._flat[dataset.iid_field].numpy(), begins, ends)
    owners = np.repeat(np.arange(len(begins)), np.diff(starts))  # (met,)
    size = dataset.item_num
    others = ~np.isin(owners * size + met, rows.numpy() * size + targets.numpy())
    return queries, (torch.from_numpy(owners[others]), torch.from_numpy(met[others])), rows, targets
