"""Profiles of users, for models that score a user and an item together.

In the space of the item texts a profile is the mean of the vectors of what a user consumed (Rocchio, 1971; see
`XLProfile`), whatever their languages; by ids, a sum of trained vectors (`IdProfiles`). The item that is asked about is
left out of both: a training row would otherwise be told by its own item, which the rows to be predicted never are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.model.layers import rows, spans
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


class Consumed(nn.Module):
    """What each user consumed, to look up.

    Args:
        histories: (users, items) weights of what each user consumed; 0 for what they did not. Its rows are sorted.
    """

    pairs: torch.Tensor
    weights: torch.Tensor
    starts: torch.Tensor
    items: torch.Tensor

    def __init__(self, histories: sp.csr_matrix) -> None:
        super().__init__()
        histories.eliminate_zeros()
        histories.sort_indices()
        self.size = histories.shape[1]
        users, items = (part.astype(np.int64) for part in histories.nonzero())
        values = {
            "pairs": users * self.size + items,  # (consumed,), ascending
            "weights": histories.data.astype(np.float32),  # (consumed,)
            "starts": histories.indptr.astype(np.int64),  # (users + 1,)
            "items": items,  # (consumed,)
        }
        for name, value in values.items():
            self.register_buffer(name, torch.from_numpy(value), persistent=False)

    def weight_of(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """(batch,) users and items → (batch, 1) weight of the item in the user's history, 0 where it is not there."""
        if not len(self.pairs):
            return torch.zeros(len(users), 1, device=users.device)
        asked = users * self.size + items  # (batch,)
        places = torch.searchsorted(self.pairs, asked).clamp(max=len(self.pairs) - 1)
        return torch.where(self.pairs[places] == asked, self.weights[places], 0.0)[:, None]


class IdProfiles(nn.Module):
    """What else a user consumed, by ids: a vector of each item as it is consumed, another as it is asked about.

    Factored item similarity (Kabbur et al., KDD 2013, "FISM", equation 3, with 1 for its power of the history's length,
    so that the length says nothing of a row). What is consumed counts whatever the label, since a profile of one label
    without the item that is asked about would tell that item's. An item that training never met has zeros.

    Args:
        histories: (users, items), 1 for what each user consumed.
        met: (items,) True for items of the training part.
        width: Of the vectors.
    """

    met: torch.Tensor

    def __init__(self, histories: sp.csr_matrix, met: np.ndarray, width: int) -> None:
        super().__init__()
        self.consumed, self.width = Consumed(histories), 2 * width
        self.as_consumed, self.as_asked = (nn.Embedding(len(met), width) for _ in range(2))
        self.register_buffer("met", torch.from_numpy(met.astype(np.float32))[:, None], persistent=False)  # (items, 1)

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """(batch,) users and items → (batch, self.width): the profile, and its product with the item's vector."""
        table = self.as_consumed.weight * self.met  # (items, width)
        some, places = torch.unique(users, return_inverse=True)
        starts = self.consumed.starts[some]  # (some,)
        counts = self.consumed.starts[some + 1] - starts
        bags = self.consumed.items[spans(starts, counts)]  # (consumed,)
        sums = F.embedding_bag(bags, table, counts.cumsum(0) - counts, mode="sum")[places]  # (batch, width)
        own = self.consumed.weight_of(users, items)  # (batch, 1)
        others = (counts[places, None] - own).clamp(min=1)  # (batch, 1)
        profile = (sums - own * rows(table, items)) / others  # (batch, width)
        return torch.cat([profile, profile * rows(self.as_asked.weight * self.met, items)], dim=-1)


class UserProfiles(nn.Module):
    """Weighted mean text vectors of histories. Sums that are small enough are a buffer; larger ones are made by batch.

    Args:
        histories: (users, items) weights of what each user consumed; 0 for what they did not.
        texts: The text vectors.
        gigabytes: What the sums may take.
    """

    sums: torch.Tensor | None
    totals: torch.Tensor

    def __init__(self, histories: sp.csr_matrix, texts: TextRows, gigabytes: float) -> None:
        super().__init__()
        self.consumed = Consumed(histories)
        self.histories, self.texts = histories, texts
        fits = 4 * histories.shape[0] * texts.width <= gigabytes * 1e9
        sums = self._summed(np.arange(histories.shape[0])) if fits else None
        values = {
            "sums": sums,  # (users, text)
            "totals": torch.from_numpy(np.asarray(histories.sum(axis=1), dtype=np.float32)),  # (users, 1)
        }
        for name, value in values.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, users: torch.Tensor, items: torch.Tensor, vectors: torch.Tensor) -> Profile:
        """(batch,) users and items, and the items' text vectors (batch, text) → profiles without these items."""
        own = self.consumed.weight_of(users, items)  # (batch, 1)
        rest = self.totals[users] - own  # (batch, 1)
        present = (rest > 1e-6 * self.totals[users]).float()  # what is left of one item's weight is rounding
        mean = (self._sums(users) - own * vectors) * present / torch.where(present > 0, rest, 1.0)  # (batch, text)
        return Profile(mean, 1 - present)

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
