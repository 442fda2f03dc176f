"""Profiles of users in the space of the item texts, for models that score a user and an item together.

A profile is the mean of the text vectors of what a user consumed (Rocchio, 1971; see `XLProfile`), whatever their
languages. The item that is asked about is left out of it: a positive training row would otherwise be told by its own
item, which the rows to be predicted never are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from recbole_xlrec.model.layers import rows
from recbole_xlrec.text.aligned import TextRows

_ROWS = 16384  # items whose text is read at a time


class Profile(NamedTuple):
    """Of the users of a batch.

    Attributes:
        mean: (batch, text), zero for a user without a history.
        absent: (batch, 1), 1 for a user without a history, else 0.
    """

    mean: torch.Tensor
    absent: torch.Tensor


class UserProfiles(nn.Module):
    """Weighted mean text vectors of histories. Sums that are small enough are a buffer; larger ones are made by batch.

    Args:
        histories: (users, items) weights of what each user consumed; 0 for what they did not.
        texts: The text vectors.
        gigabytes: What the sums may take.
    """

    sums: torch.Tensor | None
    totals: torch.Tensor
    pairs: torch.Tensor
    weights: torch.Tensor

    def __init__(self, histories: sp.csr_matrix, texts: TextRows, gigabytes: float) -> None:
        super().__init__()
        histories.eliminate_zeros()
        histories.sort_indices()
        self.histories, self.texts = histories, texts
        users, items = histories.nonzero()
        fits = 4 * histories.shape[0] * texts.width <= gigabytes * 1e9
        sums = self._summed(np.arange(histories.shape[0])) if fits else None
        values = {
            "sums": sums,  # (users, text)
            "totals": torch.from_numpy(np.asarray(histories.sum(axis=1), dtype=np.float32)),  # (users, 1)
            "pairs": torch.from_numpy(users.astype(np.int64) * histories.shape[1] + items),  # (consumed,), ascending
            "weights": torch.from_numpy(histories.data.astype(np.float32)),  # (consumed,)
        }
        for name, value in values.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, users: torch.Tensor, items: torch.Tensor, vectors: torch.Tensor) -> Profile:
        """(batch,) users and items, and the items' text vectors (batch, text) → profiles without these items."""
        own = self._own(users, items)  # (batch, 1)
        rest = self.totals[users] - own  # (batch, 1)
        present = (rest > 1e-6 * self.totals[users]).float()  # what is left of one item's weight is rounding
        mean = (self._sums(users) - own * vectors) * present / torch.where(present > 0, rest, 1.0)  # (batch, text)
        return Profile(mean, 1 - present)

    def _own(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """(batch,) users and items → (batch, 1) weight of the item in the user's history, 0 where it is not there."""
        if not len(self.pairs):
            return torch.zeros(len(users), 1, device=users.device)
        asked = users * self.histories.shape[1] + items  # (batch,)
        places = torch.searchsorted(self.pairs, asked).clamp(max=len(self.pairs) - 1)
        return torch.where(self.pairs[places] == asked, self.weights[places], 0.0)[:, None]

    def _sums(self, users: torch.Tensor) -> torch.Tensor:
        """(batch,) → (batch, text)."""
        if self.sums is not None:
            return rows(self.sums, users)
        some, places = torch.unique(users, return_inverse=True)
        return self._summed(some.cpu().numpy()).to(users.device)[places]

    def _summed(self, users: np.ndarray) -> torch.Tensor:
        """(chosen,) → (chosen, text) sums of the text vectors of what the users consumed."""
        chosen = self.histories[users].tocsc()  # (chosen, items)
        items = np.flatnonzero(np.diff(chosen.indptr))
        sums = np.zeros((len(users), self.texts.width), dtype=np.float32)
        for start in range(0, len(items), _ROWS):
            block = items[start : start + _ROWS]
            sums += chosen[:, block] @ self.texts.rows(block)
        return torch.from_numpy(sums)
