"""What a user had met before a target is no negative of it, where it is no candidate of a ranking either.

With ``exclude_met`` a ranking leaves out all that its user has met, also what lies further back than a window reaches.
A softmax with these items in it answers another question: a model that cannot see that a user has met what everybody
meets keeps room for it, and ranks popular items too high for users with long histories, who met them long ago.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from recbole_xlrec.model.layers import spans
from recbole_xlrec.model.softmax import Candidates


class MetMask(nn.Module):
    """Marks what has been met before each target of a batch of windows.

    Args:
        dataset: The training part, whose sequences are flat.
    """

    items: torch.Tensor
    begins: torch.Tensor

    def __init__(self, dataset: Any) -> None:
        super().__init__()
        items, begins = dataset.flat_sequences()
        self.register_buffer("items", items, persistent=False)  # (interactions,) by user and time
        self.register_buffer("begins", begins, persistent=False)  # (users,) where each user's begin

    def forward(
        self,
        users: torch.Tensor,
        starts: torch.Tensor,
        sequences: torch.Tensor,
        counted: torch.Tensor,
        wanted: torch.Tensor,
        candidates: Candidates,
    ) -> torch.Tensor:
        """Marks candidates that are no negatives.

        Args:
            users: (batch,).
            starts: (batch,) place of each window's first input among the flat interactions.
            sequences: (batch, seq) inputs, 0 after the last.
            counted: (batch, seq) True where a position's target counts.
            wanted: (targets,) the targets that count, window by window.
            candidates: Of these windows; the targets are among them.

        Returns:
            (targets, chosen) True where the user had met the item before the target, which is never marked itself.
        """
        before = self._before(users, starts, candidates)  # (batch, chosen)
        window, step = counted.nonzero(as_tuple=True)  # (targets,) each
        later = torch.arange(sequences.shape[1], device=sequences.device) > step[:, None]  # (targets, seq)
        inputs = candidates.places_or_padding(sequences)  # (batch, seq)
        met = before[window]  # (targets, chosen)
        met.scatter_(1, inputs[window].masked_fill(later, 0), True)
        return met.scatter_(1, candidates.places(wanted)[:, None], False)

    def _before(self, users: torch.Tensor, starts: torch.Tensor, candidates: Candidates) -> torch.Tensor:
        """(batch, chosen) what was met before each window begins."""
        begins = self.begins[users]  # (batch,)
        counts = starts - begins  # (batch,)
        items = candidates.places_or_padding(self.items[spans(begins, counts)])  # (total,)
        rows = torch.repeat_interleave(torch.arange(len(users), device=users.device), counts)  # (total,)
        met = torch.zeros(len(users), candidates.size, dtype=torch.bool, device=users.device)
        met[rows, items] = True
        return met
