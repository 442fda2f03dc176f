"""Which values of atomic fields the training part has, so that those it has not add nothing to a score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


def met_values(dataset: Any, fields: Sequence[str]) -> torch.Tensor:
    """The fields' values one after the other, (values, 1): 1 where a row of the training part has it, else 0.

    Args:
        dataset: The training part.
        fields: Of the types ``token`` and ``token_seq``, of interactions, users or items.
    """
    masks = [_met(dataset, field) for field in fields]
    return torch.from_numpy(np.concatenate([np.zeros(0, dtype=np.float32), *masks]))[:, None]


def _met(dataset: Any, field: str) -> np.ndarray:
    """(values,) of one field; where several files have it, RecBole reads the item's, then the user's."""
    events = dataset.inter_feat
    sources = ((dataset.item_feat, dataset.iid_field), (dataset.user_feat, dataset.uid_field))
    for feat, key in sources:
        if feat is not None and field in feat.columns:
            values = feat[field][torch.unique(events[key])]
            break
    else:
        values = events[field]
    met = np.zeros(dataset.num(field), dtype=np.float32)
    met[torch.unique(values).numpy()] = 1
    return met
