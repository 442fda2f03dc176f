"""What a user thought of items that are like the one asked about: a neighbourhood model, as input of click models.

For a user u, an item i and a kernel k (`kernels`), with o_uj = y_uj - μ - b_j, the label of j beyond what j usually
gets:

    opinion = Σ_j k(i, j) (o_uj - m_u) / (Σ_j k(i, j) + 1),    support = Σ_j k(i, j) / (Σ_j k(i, j) + 1)

over the labelled history of u. That is the item-based neighbourhood model on residuals of baseline predictors (Koren,
TKDD 2010, sections 2.1 and 2.2: b_j, m_u and their shrinkage). i itself is left out everywhere, also of m_u, and
likeness knows nothing of labels: a row of training would otherwise be told by its own. (Its share in μ is left.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm.auto import tqdm

from recbole_xlrec.model.histories import Ids
from recbole_xlrec.model.kernels import Floats, Kernel

_ITEM_SHRINKAGE, _USER_SHRINKAGE = 25.0, 10.0
_CELLS = 1 << 22  # similarities at a time
_REMEMBERED = 1_000_000  # rows of evaluation, at most


class Opinions:
    """Labelled histories: of each user the items, and the labels beyond what these items usually get.

    Args:
        users: (events,) ids.
        items: (events,) ids.
        labels: (events,) from 0 to 1.
        kernels: How alike items are.
    """

    def __init__(self, users: Ids, items: Ids, labels: NDArray[Any], kernels: Sequence[Kernel]) -> None:
        above = labels - labels.mean()  # (events,)
        usual = np.bincount(items, above) / (np.bincount(items) + _ITEM_SHRINKAGE)  # (items,)
        order = np.argsort(users, kind="stable")
        self._starts = np.searchsorted(users[order], np.arange(users.max() + 2))  # (users + 1,)
        self._items = items[order]  # (events,), user by user
        self._beyond = (above - usual[items])[order].astype(np.float32)  # (events,)
        self.kernels = kernels

    def of(self, user: int) -> tuple[Ids, Floats]:
        """(history,) items and what their labels are beyond the usual; none for a user who is not there."""
        mine = slice(*self._starts[[user, user + 1]]) if user + 1 < len(self._starts) else slice(0)
        return self._items[mine], self._beyond[mine]

    def values(self, users: Ids, items: Ids, show_progress: bool = False) -> Floats:
        """(rows,) users and items → (rows, 2 * kernels), the opinion and the support of each kernel."""
        found = np.zeros((len(users), 2 * len(self.kernels)), dtype=np.float32)
        order = np.argsort(users, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(users[order])) + 1)  # (rows of a user,) each
        for rows in tqdm(groups, unit="users", desc="neighbourhood", disable=not show_progress):
            user = int(users[rows[0]])
            history, beyond = self.of(user)
            if not len(history):
                continue
            step = max(1, _CELLS // len(history))
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                found[some] = self._of_one(user, items[some], history, beyond)
        return found

    def _of_one(self, user: int, items: Ids, history: Ids, beyond: Floats) -> Floats:
        """(items,) → (items, 2 * kernels)."""
        own = items[:, None] == history  # (items, history)
        level = (beyond.sum() - own @ beyond) / ((~own).sum(axis=1) + _USER_SHRINKAGE)  # (items,)
        columns = []
        for kernel in self.kernels:
            likeness = np.where(own, 0, kernel(user, items, history))  # (items, history)
            total = likeness.sum(axis=1)  # (items,)
            columns += [(likeness @ beyond - level * total) / (total + 1), total / (total + 1)]
        return np.stack(columns, axis=1)


class Neighbourhood(nn.Module):
    """Opinions and supports, each as RecBole embeds a field of floats: the value times a vector that is learned.

    The values of training rows are made once and stay on the model's device. Those of other rows are made on the CPU
    when they are asked for, and remembered, as each epoch's validation asks again.

    Args:
        opinions: Labelled histories.
        trained: (rows,) users and items of training.
        width: Of the vectors.
        show_progress: With a progress bar.
    """

    pairs: torch.Tensor
    known: torch.Tensor
    scales: torch.Tensor

    def __init__(self, opinions: Opinions, trained: tuple[Ids, Ids], width: int, show_progress: bool = False) -> None:
        super().__init__()
        (users, items), self.opinions = trained, opinions
        self.n_items = int(items.max()) + 1
        pairs = np.unique(users * self.n_items + items)  # (pairs,)
        known = opinions.values(*np.divmod(pairs, self.n_items), show_progress=show_progress)  # (pairs, values)
        spread = known.std(axis=0)  # (values,)
        buffers = {"pairs": pairs, "known": known, "scales": np.where(spread > 0, spread, 1)}
        for name, value in buffers.items():
            self.register_buffer(name, torch.from_numpy(value), persistent=False)
        self.vectors = nn.Embedding(known.shape[1], width)
        self.width = known.shape[1] * width
        self._remembered: dict[bytes, torch.Tensor] = {}
        self._room = _REMEMBERED  # rows

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """(batch,) users and items, of training rows while training → (batch, self.width)."""
        if self.training:
            values = self.known[torch.searchsorted(self.pairs, users * self.n_items + items)]  # (batch, values)
        else:
            values = self._of_others(users.cpu().numpy(), items.cpu().numpy()).to(users.device)
        return ((values / self.scales)[:, :, None] * self.vectors.weight).flatten(1)  # (batch, values * width)

    def _of_others(self, users: Ids, items: Ids) -> torch.Tensor:
        """(batch,) → (batch, values)."""
        asked = users.tobytes() + items.tobytes()
        if asked in self._remembered:
            return self._remembered[asked]
        values = torch.from_numpy(self.opinions.values(users, items))
        if len(users) <= self._room:
            self._room -= len(users)
            self._remembered[asked] = values
        return values
