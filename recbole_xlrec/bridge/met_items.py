"""Items that a user has met are no candidates, also where the protocol has taken them out of every part."""

from __future__ import annotations

from typing import Any

from recbole.data.dataloader import FullSortEvalDataLoader


def mask_met(loader: Any) -> None:
    """Adds the interactions that no part holds to what the samplers and loader of an evaluation know.

    RecBole reads off the parts which items a user has met before, and ranks none of them. Without this, an item that a
    hidden user has met would be a candidate, and a query would have other candidates under each protocol. Models that
    may repeat items, sequential ones among them, rank all in RecBole, and here.
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
