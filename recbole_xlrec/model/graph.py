"""The user-item graph and light convolution over it; plain matrices in, plain tensors out."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from recbole_xlrec.model.layers import spans


class LightConvolution(nn.Module):
    """Light graph convolution (He et al., SIGIR 2020, "LightGCN", equations 3 and 4) that starts from items alone.

    A user begins as the mean of the items in the history (Sheng et al., ICLR 2025, "AlphaRec", equation 3), so that a
    user who has no parameters has a vector. Each layer passes vectors along the edges, weighted by
    1 / sqrt(degree · degree); the result is the mean over the layers, the zeroth among them. Nothing here is trained.

    Args:
        histories: (users, items) of zeros and ones.
        layers: How many, from 0 on.
    """

    forth: torch.Tensor
    back: torch.Tensor
    mean: torch.Tensor
    spread: torch.Tensor
    degrees: torch.Tensor

    def __init__(self, histories: sp.csr_matrix, layers: int) -> None:
        super().__init__()
        self.layers = layers
        users = np.maximum(np.diff(histories.indptr), 1).astype(np.float32)  # (users,)
        items = np.maximum(np.bincount(histories.indices, minlength=histories.shape[1]), 1).astype(np.float32)
        balanced = sp.diags(users**-0.5) @ histories @ sp.diags(items**-0.5)
        mean = sp.diags(1 / users) @ histories
        for name, matrix in (("forth", balanced), ("back", balanced.T), ("mean", mean), ("spread", mean.T)):
            self.register_buffer(name, _sparse(matrix.tocsr()), persistent=False)
        self.register_buffer("degrees", torch.from_numpy(items), persistent=False)  # (items,)

    def forward(self, items: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(items, width) → (users, width), (items, width)."""
        users = _Product.apply(self.mean, self.spread, items)  # (users, width)
        all_users, all_items = users, items
        for _ in range(self.layers):
            users, items = (
                _Product.apply(self.forth, self.back, items),
                _Product.apply(self.back, self.forth, users),
            )
            all_users, all_items = all_users + users, all_items + items
        return all_users / (self.layers + 1), all_items / (self.layers + 1)

    def histories(self, users: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch,) users → their items, (total,), one history after the other, and where each begins, (batch,)."""
        ends, items = self.mean.crow_indices(), self.mean.col_indices()
        firsts = ends[users]  # (batch,)
        counts = ends[users + 1] - firsts  # (batch,)
        return items[spans(firsts, counts)], counts.cumsum(0) - counts

    def passed_on(self, items: torch.Tensor) -> torch.Tensor:
        """What items give to a user who comes after training, (items, width) → (2, items, width).

        A user's vector is linear in those of the items of the history, whose layers a newcomer does not change. First
        the part that the mean of the history takes (the zeroth layer), then the sum of the layers before the last,
        divided by the roots of the items' degrees, which has to be divided by that of the user's.
        """
        users, layer, summed = _Product.apply(self.mean, self.spread, items), items, torch.zeros_like(items)
        for _ in range(self.layers):
            summed = summed + layer
            users, layer = (
                _Product.apply(self.forth, self.back, layer),
                _Product.apply(self.back, self.forth, users),
            )
        return torch.stack([items, summed * self.degrees[:, None] ** -0.5]) / (self.layers + 1)


class _Product(torch.autograd.Function):
    """A sparse matrix times a dense one; PyTorch's own gradient transposes the sparse one anew in each step."""

    @staticmethod
    def forward(ctx: Any, matrix: torch.Tensor, transposed: torch.Tensor, dense: torch.Tensor) -> torch.Tensor:
        """(rows, columns) sparse, its transpose, (columns, width) → (rows, width)."""
        ctx.transposed = transposed
        return _exact(matrix, dense)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, None, torch.Tensor]:
        """Through the transpose."""
        return None, None, _exact(ctx.transposed, gradient)


def _exact(matrix: torch.Tensor, dense: torch.Tensor) -> torch.Tensor:
    """Their product in float32, also where automatic mixed precision is on: sparse matrices know no other."""
    with torch.autocast(dense.device.type, enabled=False):
        return matrix @ dense.contiguous().float()


def _sparse(matrix: sp.csr_matrix) -> torch.Tensor:
    rows, columns = (torch.from_numpy(part.astype(np.int64)) for part in (matrix.indptr, matrix.indices))
    values = torch.from_numpy(matrix.data.astype(np.float32))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(rows, columns, values, size=matrix.shape, check_invariants=False)
