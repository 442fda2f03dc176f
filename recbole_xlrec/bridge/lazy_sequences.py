"""Sequences that stay flat: `lazy_sequences: True` cuts histories when a batch is made, for any sequential model.

RecBole's `SequentialDataset` writes every prefix of every sequence out beforehand, zero-padded, for every field
(RecBole #1298, #1537, #1865). Here each row keeps the place of its target among the interactions by user and time; the
histories, and so what a model sees, are the same.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.data.dataset import SequentialDataset
from recbole.data.interaction import Interaction
from recbole.utils import FeatureSource, FeatureType

from recbole_xlrec.errors import ConfigError

if TYPE_CHECKING:
    from recbole.data.dataset import SequentialDataset as _Base
else:
    _Base = object

logger = logging.getLogger(__name__)

#: Column of the place of a row's target.
PLACE = "sequence_place"


class LazySequencesMixin(_Base):
    """Goes before `SequentialDataset`; does nothing without ``lazy_sequences``, ``exclude_met`` or hidden items.

    The interactions of hidden items (see `protocol`) are set aside before histories are cut and targets left out.
    """

    inter_feat: Any
    _flat: Any = None
    _aside: Any = None
    always_lazy = False
    hidden_items: NDArray[np.bool_] | None = None
    #: Whether the targets of this part are hidden items, which `_flat` lacks.
    targets_hidden = False

    def data_augmentation(self) -> None:
        """Makes one row a target, with the place and the length of its history instead of the history.

        Raises:
            ConfigError: If the model brings a dataset that makes its own sequences.
        """
        wanted = self.always_lazy or self.config["lazy_sequences"] or self.config["exclude_met"]
        if not wanted and self.hidden_items is None:
            super().data_augmentation()
            return
        own: Any = next(base for base in type(self).__mro__ if base.__module__.startswith("recbole.data"))
        if own.data_augmentation is not SequentialDataset.data_augmentation:
            key = "lazy_sequences, exclude_met" if wanted else f"protocol {self.config['protocol']} hides items"
            raise ConfigError(f"{key}: {own.__name__} makes sequences of its own; leave the key out")
        self._aug_presets()
        self._check_field("uid_field", "time_field")
        self.sort(by=[self.uid_field, self.time_field], ascending=True)
        self.set_field_property(PLACE, FeatureType.TOKEN, FeatureSource.INTERACTION, 1)
        self._flat = self._without_hidden()
        targets, lengths = histories(self._flat[self.uid_field].numpy(), self.max_item_list_len)
        self.inter_feat = self._rows(self._flat, targets, targets, lengths)

    def _without_hidden(self) -> Any:
        if self.hidden_items is None:
            return self.inter_feat
        hidden = self.hidden_items[self.inter_feat[self.iid_field].numpy()]  # (interactions,)
        self._aside = self.inter_feat[hidden]
        return self.inter_feat[~hidden]

    def hidden_rows(self, *later: Any) -> Interaction:
        """The interactions of hidden items, each with all that its user had met in training for a history.

        Args:
            *later: The parts after training, whose targets, and what follows them, no history holds.
        """
        users, everyone = self._flat[self.uid_field].numpy(), np.arange(self.user_num)
        begins, ends = np.searchsorted(users, everyone), np.searchsorted(users, everyone, side="right")  # (users,)
        for part in later:
            np.minimum.at(ends, part.inter_feat[self.uid_field].numpy(), part.inter_feat[PLACE].numpy())
        asked = self._aside[self.uid_field].numpy()  # (interactions,)
        lengths = np.minimum(ends - begins, self.max_item_list_len)[asked]
        known = np.flatnonzero(lengths)
        logger.info("%d interactions of hidden items without a history left out", len(asked) - len(known))
        return self._rows(self._aside, known, ends[asked[known]], lengths[known])

    def _rows(self, events: Any, index: Any, places: NDArray[np.int64], lengths: NDArray[np.int64]) -> Interaction:
        columns = {name: values[torch.from_numpy(index)] for name, values in events.interaction.items()}
        # as tensors, since RecBole does not convert arrays without rows
        found = {self.item_list_length_field: torch.from_numpy(lengths), PLACE: torch.from_numpy(places)}
        return Interaction({**columns, **found})

    def __getitem__(self, index: Any, join: bool = True) -> Any:
        """Rows with their histories."""
        rows = self.inter_feat[index]
        if self._flat is None:
            return self.join(rows) if join else rows
        known = self.config["exclude_met"]  # what a user has met is found by the place
        columns = {name: values for name, values in rows.interaction.items() if known or name != PLACE}
        places, lengths = rows[PLACE], rows[self.item_list_length_field]
        for name, values in self._flat.interaction.items():
            if name != self.uid_field:
                listed = getattr(self, f"{name}_list_field")
                columns[listed] = cut(values, places, lengths, self.max_item_list_len)
        whole = Interaction(columns)
        return self.join(whole) if join else whole

    def inter_matrix(self, form: str = "coo", value_field: str | None = None) -> Any:
        """(users, items) of this part's interactions, the first ones of its users, which are no targets, among them."""
        if self._flat is None:
            return super().inter_matrix(form, value_field)
        if self.targets_hidden:
            return self._create_sparse_matrix(self.inter_feat, self.uid_field, self.iid_field, form, value_field)
        events = self._flat[self.interaction_places()]
        return self._create_sparse_matrix(events, self.uid_field, self.iid_field, form, value_field)

    def flat_sequences(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(interactions,) items by user and time, of all parts, and (users,) where those of each user begin."""
        begins = torch.searchsorted(self._flat[self.uid_field].contiguous(), torch.arange(self.user_num))
        return self._flat[self.iid_field], begins

    def interaction_places(self) -> torch.Tensor:
        """Places of this part's interactions: its targets, and the first interactions of its users, which are none."""
        targets = self._target_places()
        return torch.cat([targets, self._before_first(targets)])

    def _target_places(self) -> torch.Tensor:
        return self.inter_feat[PLACE]

    def interaction_items(self) -> torch.Tensor:
        """Items of this part's interactions, with those that only begin a history, (interactions,)."""
        if self.targets_hidden:
            return self.inter_feat[self.iid_field]
        if self._flat is not None:
            return self._flat[self.iid_field][self.interaction_places()]
        first = self.inter_feat[self.item_list_length_field] == 1
        return torch.cat([self.inter_feat[self.iid_field], self.inter_feat[self.item_id_list_field][first][:, 0]])

    def _before_first(self, targets: torch.Tensor) -> torch.Tensor:
        users = self._flat[self.uid_field]
        begins = torch.ones(len(users), dtype=torch.bool)
        begins[1:] = users[1:] != users[:-1]
        before = targets - 1
        return before[begins[before]]


def histories(users: NDArray[np.int64], longest: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Finds the targets among interactions sorted by user, and the lengths of the histories before them.

    Args:
        users: (interactions,) user of each.
        longest: Longest history.

    Returns:
        (targets,) places of all interactions but the first of each user; (targets,) from 1 to `longest`.

    Example:
        >>> [part.tolist() for part in histories(np.array([4, 4, 4, 4, 7, 9, 9]), 2)]
        [[1, 2, 3, 6], [1, 2, 2, 1]]
    """
    places = np.arange(len(users))
    begins = np.append(True, users[1:] != users[:-1])[: len(users)]
    before = places - np.maximum.accumulate(np.where(begins, places, 0))  # (interactions,)
    targets = np.flatnonzero(before)
    return targets, np.minimum(before[targets], longest)


def cut(values: torch.Tensor, places: torch.Tensor, lengths: torch.Tensor, width: int) -> torch.Tensor:
    """Cuts the values before each place, oldest first, zeros after them.

    Args:
        values: (interactions, ...).
        places: (rows,).
        lengths: (rows,), at most `width`.
        width: Length of the lists.

    Returns:
        (rows, width, ...).
    """
    steps = torch.arange(width)
    index = (places - lengths)[:, None] + steps  # (rows, width)
    there = steps < lengths[:, None]  # (rows, width)
    found = values[torch.where(there, index, 0)]  # (rows, width, ...)
    return found.masked_fill_(~there.reshape(*there.shape, *[1] * (found.dim() - 2)), 0)
