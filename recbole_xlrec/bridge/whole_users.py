"""Batches of whole users: where a model's query is a user, all of a user's targets share one row of scores.

RecBole shuffles interactions, so that the scores of a user over the whole catalogue are computed anew for each item the
user consumed. Here a training row is a user, as in RecBole's own loader for autoencoders, and a batch has all
interactions of `train_batch_size` of them.
"""

from __future__ import annotations

from logging import getLogger
from typing import Any

import numpy as np
import torch
from recbole.data.dataloader.abstract_dataloader import AbstractDataLoader
from recbole.data.interaction import Interaction

from recbole_xlrec.model.layers import spans


class WholeUsersDataLoader(AbstractDataLoader):
    """A loader of training rows, built as RecBole builds them.

    Attributes:
        users: (rows,) the users that the training part has interactions of, ascending.
    """

    def __init__(self, config: Any, dataset: Any, sampler: Any, shuffle: bool = False) -> None:
        self.logger = getLogger()
        events = dataset.inter_feat
        users, items = events[dataset.uid_field], events[dataset.iid_field]  # (interactions,) each
        self._items = items[torch.argsort(users, stable=True)]
        self.users, self._counts = torch.unique(users, return_counts=True)
        self._starts = self._counts.cumsum(0) - self._counts
        self.sample_size = len(self.users)
        super().__init__(config, dataset, sampler, shuffle=shuffle)

    def _init_batch_size_and_step(self) -> None:
        self.step = self.config["train_batch_size"]
        self.set_batch_size(self.step)

    def collate_fn(self, index: Any) -> Interaction:
        """Rows → the users and items of all their interactions, (interactions,) each; those of a user together."""
        rows = torch.from_numpy(np.asarray(index))
        counts = self._counts[rows]  # (batch,)
        items = self._items[spans(self._starts[rows], counts)]  # (interactions,)
        users = torch.repeat_interleave(self.users[rows], counts)  # (interactions,)
        return Interaction({self._dataset.uid_field: users, self._dataset.iid_field: items})
