"""XLFusion: the lists of several models fused into one, as a model of its own.

What is learned of a fusion are a few weights, or trees; both need the members' validation rankings. The trainer
(`recbole_xlrec.bridge.fusion`) trains or finds the members and fuses their saved rankings; the model holds the fused
lists of the queries of validation and test, and answers these and no others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType, ModelType
from torch import nn

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.ranking.lists import Lists


class XLFusion(GeneralRecommender):
    """Lists of several models, trained first where they have not been, fused into one list for each query.

    Attributes:
        part: Whose queries are answered: ``valid`` or ``test``.
        lists: By part, ``rows`` (users,) the place of each user's list or -1, ``items`` (queries, k) and ``scores``.
        weights: Of each member by its name, where the fusion has weights.
        ranks_some_only: Items that are no candidates have the score -inf.
    """

    input_type = InputType.POINTWISE
    type = ModelType.TRADITIONAL
    ranks_some_only = True

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.dummy_param = nn.Parameter(torch.zeros(1))  # RecBole builds an optimizer for every model
        self.part = "test"
        self.lists: dict[str, dict[str, torch.Tensor]] = {}
        self.weights: dict[str, float] = {}
        self.other_parameter_name = ["lists", "weights"]

    def hold(self, part: str, users: NDArray[np.int64], lists: Lists) -> None:
        """Keeps fused lists: users (queries,) by internal id, one query each, and the list of each."""
        rows = torch.full((self.n_users,), -1)  # (users,)
        rows[torch.from_numpy(users)] = torch.arange(len(users))
        scores = torch.from_numpy(strictly_falling(lists.scores))
        self.lists[part] = {"rows": rows, "items": torch.from_numpy(lists.items), "scores": scores}

    def calculate_loss(self, interaction: Any) -> torch.Tensor:
        """Nothing to train: a zero that has a gradient."""
        return self.dummy_param.sum() * 0.0

    def predict(self, interaction: Any) -> torch.Tensor:
        """Scores of (user, item) pairs, (batch,)."""
        users, row = torch.unique(interaction[self.USER_ID], return_inverse=True)
        return self._encode(users)[row, interaction[self.ITEM_ID]]

    def full_sort_predict(self, interaction: Any) -> torch.Tensor:
        """Scores of all items for each user, (batch, items); -inf where no member lists the item."""
        return self._encode(interaction[self.USER_ID])

    def _encode(self, users: torch.Tensor) -> torch.Tensor:
        """(batch,) → (batch, items)."""
        if self.part not in self.lists:
            raise ConfigError(f"this XLFusion holds no lists of the {self.part} part: it has not been fitted")
        held = self.lists[self.part]
        rows = held["rows"][users.cpu()]  # (batch,)
        items = held["items"][rows].long()  # (batch, k)
        items[(items < 0) | (rows < 0)[:, None]] = self.n_items  # empty places go to a column that is cut off
        scores = torch.full((len(rows), self.n_items + 1), -torch.inf)
        scores.scatter_(1, items, held["scores"][rows])
        return scores[:, :-1].to(self.device)


def strictly_falling(scores: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Scores (queries, k) that say the order of their list without ties, each lowered as little as that takes.

    RecBole sorts by scores again: equal ones would change places, and orders that do not go by score would be lost.

    Example:
        >>> strictly_falling(np.array([[3.0, 3.0, 1.0, -np.inf]])).round(4).tolist()
        [[3.0, 3.0, 1.0, -inf]]
    """
    falling = scores.astype(np.float32)
    for place in range(1, falling.shape[1]):
        below = np.nextafter(falling[:, place - 1], np.float32(-np.inf))
        np.minimum(falling[:, place], below, out=falling[:, place])
    return falling
