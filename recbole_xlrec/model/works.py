"""Editions of one work share a trained vector: what users of one language do teaches items of every other.

Hard sharing of parameters, where `joint` aligns vectors that are apart. An item that nobody has met is known by the
editions that somebody has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from recbole_xlrec.data.columns import WORK_ID
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.layers import bounded, rows


def work_names(dataset: Any) -> list[str]:
    """(items,) the column work_id; the empty string where an item has none."""
    return [values[0] for values in dataset.item_feature(WORK_ID)]


class Works(nn.Module):
    """A vector of each work of several items; other items have none.

    Args:
        names: (items,) of the works; an item without one has the empty string.
        counts: (items,) interactions in training.
        width: Of the vectors.
        longest: Their bound, 0 for none.

    Attributes:
        counts: (items,) interactions of an item's work.

    Raises:
        ConfigError: If no two items have one work.
    """

    codes: torch.Tensor
    counts: torch.Tensor
    met: torch.Tensor

    def __init__(self, names: list[str], counts: torch.Tensor, width: int, longest: float = 0.0) -> None:
        super().__init__()
        _, works, sizes = np.unique(np.asarray(names, dtype=str), return_inverse=True, return_counts=True)
        shared = (sizes[works] > 1) & (np.asarray(names) != "")  # (items,)
        if not shared.any():
            raise ConfigError("work_embedding: no two items have one work_id. Set it to False")
        _, codes = np.unique(np.where(shared, works, -1), return_inverse=True)  # (items,) 0: none, as of the padding
        self.register_buffer("codes", torch.from_numpy(codes), persistent=False)  # (items,)
        met = torch.bincount(self.codes, counts.double()).to(counts.dtype)  # (works,)
        self.register_buffer("counts", torch.where(self.codes > 0, met[self.codes], counts), persistent=False)
        self.vectors = nn.Embedding(len(met), width, padding_idx=0)
        met[0] = 0
        self.register_buffer("met", (met > 0).float()[:, None], persistent=False)  # (works, 1)
        self.longest = longest

    @classmethod
    def of(cls, config: Any, dataset: Any, width: int) -> Works | None:
        """Those of a model; None where ``work_embedding`` is False."""
        if not config["work_embedding"]:
            return None
        return cls(work_names(dataset), torch.from_numpy(dataset.training_counts), width, config["id_norm"])

    def forward(self, items: torch.Tensor | None) -> torch.Tensor:
        """(chosen,) ids, or None for all → (chosen, width); zero where no edition has been met."""
        codes = self.codes if items is None else self.codes[items]  # (chosen,)
        return bounded(rows(self.vectors.weight, codes), self.longest) * self.met[codes]
