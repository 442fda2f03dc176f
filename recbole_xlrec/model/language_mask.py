"""Items of other languages than a user's are no negatives, where they are no candidates of a ranking either.

With ``candidates: language`` a list is drawn from the items of its user's own language. A softmax over all languages
asks besides which language a user reads, which nobody will ask the model, and takes the editions of what the user
wanted for something else: it pushes apart what joint training should bring together.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from recbole_xlrec.model.softmax import Candidates


class LanguageMask(nn.Module):
    """Marks what is not in the language of its row's user.

    Args:
        users: (users,) codes of languages.
        items: (items,) codes of languages.
    """

    users: torch.Tensor
    items: torch.Tensor

    def __init__(self, users: torch.Tensor, items: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("users", users, persistent=False)
        self.register_buffer("items", items, persistent=False)

    @classmethod
    def of(cls, config: Any, dataset: Any) -> LanguageMask | None:
        """Of a model's configuration and training part; None where rankings are over all languages."""
        if config["candidates"] != "language":
            return None
        return cls(*(torch.from_numpy(codes) for codes in dataset.candidate_limits()))

    def forward(
        self, users: torch.Tensor, rows: torch.Tensor, wanted: torch.Tensor, candidates: Candidates
    ) -> torch.Tensor:
        """Marks candidates that are no negatives.

        Args:
            users: (rows,) whose rows of scores they are.
            rows: (targets,) row of each target.
            wanted: (targets,) the targets, which are never marked in their rows.
            candidates: Of the batch; the targets are among them.

        Returns:
            (rows, chosen).
        """
        items = self.items if candidates.items is None else self.items[candidates.items]  # (chosen,)
        marked = self.users[users, None] != items  # (rows, chosen)
        marked[rows, candidates.places(wanted)] = False
        return marked
