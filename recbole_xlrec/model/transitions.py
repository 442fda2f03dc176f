"""What follows what: transitions between items, counted over the training sequences, beside a trained model's scores.

Sequential rules (Ludewig and Jannach, UMUAI 2018, "SR") count how often one item comes after another, the less the more
items lie between them. Few parameters can be wrong there: on small data such counts tell of a next item what a
transformer of a few thousand sequences cannot, and the other way round. Where we differ: the count falls by a power of
the distance, the whole history speaks, with the same power, and the counts are factorised, so that a score stays an
inner product of a query's and an item's vector. It is added to a trained model's score as nearest neighbours are to a
language model's (Khandelwal et al., ICLR 2020, "kNN-LM"): training knows nothing of it, since a training target would
be told by its own transition.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.layers import rows

_LEAST = 0.05  # weight below which a distance is not counted
_SOURCE_POWER, _TARGET_POWER, _TARGET_START = 0.3, 0.2, 5.0  # how far counts are relative to how often items occur


class Transitions(nn.Module):
    """Factors of the counts: queries are sums over a history, of length `weight`.

    Args:
        dataset: The training part, whose sequences are flat.
        weight: Of the score beside the model's.
        decay: Weight of a distance relative to the one before it, in counts and in histories.
        rank: Of the factors, at most.

    Raises:
        ConfigError: For a weight, decay or rank out of range.
    """

    sources: torch.Tensor
    targets: torch.Tensor

    def __init__(self, dataset: Any, weight: float, decay: float, rank: int) -> None:
        super().__init__()
        if weight < 0 or not 0 < decay < 1 or rank < 1:
            raise ConfigError(
                "transition_weight is 0 or more, transition_decay between 0 and 1 and transition_rank 1 or more; "
                f"found {weight}, {decay} and {rank}"
            )
        self.weight, self.decay = weight, decay
        items, begins = (part.numpy() for part in dataset.flat_sequences())
        places = np.sort(dataset.interaction_places().numpy())
        counts = transition_counts(items, begins, places, dataset.item_num, decay)
        for name, factor in zip(("sources", "targets"), factors(relative(counts), rank), strict=True):
            self.register_buffer(name, torch.from_numpy(factor), persistent=False)  # (items, rank)

    @classmethod
    def of(cls, config: Any, dataset: Any) -> Transitions | None:
        """Those of a model; None where `transition_weight` is 0."""
        weight = config["transition_weight"]
        return cls(dataset, weight, config["transition_decay"], config["transition_rank"]) if weight else None

    def queries(self, sequences: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Histories, (batch, seq) ids, 0 after the last, and their lengths (batch,) → (batch, rank)."""
        ages = lengths[:, None] - 1 - torch.arange(sequences.shape[1], device=sequences.device)  # (batch, seq)
        weights = torch.where(ages >= 0, self.decay ** ages.clamp(min=0), 0.0)  # (batch, seq)
        sums = torch.einsum("bs,bsr->br", weights, rows(self.sources, sequences))  # (batch, rank)
        return self.weight * F.normalize(sums, dim=-1)


def transition_counts(
    items: NDArray[np.int64], begins: NDArray[np.int64], places: NDArray[np.int64], size: int, decay: float
) -> sp.csr_matrix:
    """Counts how often an item comes after another, those of distance d by ``decay ** (d - 1)``.

    Args:
        items: (interactions,) by user and time.
        begins: (users,) where those of each user begin.
        places: (training,) the places of training, ascending; with each also those before it in its sequence.
        size: Items.
        decay: Between 0 and 1.

    Returns:
        (size, size) float32.

    Example:
        >>> sequence = np.array([1, 2, 3])
        >>> transition_counts(sequence, np.array([0]), np.arange(3), 4, 0.5).toarray()[1]
        array([0. , 0. , 1. , 0.5], dtype=float32)
    """
    before = places - begins[np.searchsorted(begins, places, side="right") - 1]  # (training,) place in its sequence
    counts = sp.csr_matrix((size, size), dtype=np.float32)  # type: ignore[arg-type]  # the stubs lack a shape alone
    for distance in range(1, 2 + int(np.log(_LEAST) / np.log(decay))):
        ends = places[before >= distance]
        ones = np.full(len(ends), decay ** (distance - 1), dtype=np.float32)
        counts += sp.csr_matrix((ones, (items[ends - distance], items[ends])), shape=(size, size))
    return counts


def relative(counts: sp.csr_matrix) -> sp.csr_matrix:
    """Counts, (items, items), over powers of how often each item is left and reached: popular ones say less."""
    left, reached = (np.asarray(counts.sum(axis=axis), dtype=np.float64).ravel() for axis in (1, 0))
    scaled = sp.diags((left + 1.0) ** -_SOURCE_POWER) @ counts @ sp.diags((reached + _TARGET_START) ** -_TARGET_POWER)
    return scaled.astype(np.float32).tocsr()


def factors(matrix: sp.csr_matrix, rank: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The truncated singular value decomposition of a matrix, (items, items).

    Returns:
        (items, rank) and (items, rank) whose product is near the matrix; the rows of the latter have a mean square
        length of 1. Rows of items that lead to nothing, and of those that nothing leads to, are zero.
    """
    rank = min(rank, matrix.shape[0] - 1)
    # (items, rank), (rank,), (rank, items)
    left, values, right = randomized_svd(matrix, rank, n_iter=3, random_state=0)
    scale = np.sqrt(matrix.shape[0] / rank)
    sources, targets = left * (values / scale), right.T * scale
    # exactly, since queries are brought to one length, and rounding with them
    sources[np.diff(matrix.indptr) == 0] = 0
    targets[np.bincount(matrix.indices, minlength=len(targets)) == 0] = 0
    return np.ascontiguousarray(sources, dtype=np.float32), np.ascontiguousarray(targets, dtype=np.float32)
