"""Sequences that stay flat: `lazy_sequences: True` cuts histories when a batch is made, for any sequential model.

RecBole's `SequentialDataset` writes every prefix of every sequence out beforehand, zero-padded, for every field
(RecBole #1298, #1537, #1865). Here each row keeps the place of its target among the interactions by user and time; the
histories, and so what a model sees, are the same.
"""

from __future__ import annotations

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

#: Column of the place of a row's target.
PLACE = "sequence_place"


class LazySequencesMixin(_Base):
    """Goes before `SequentialDataset`; does nothing unless the configuration says ``lazy_sequences``."""

    inter_feat: Any
    _flat: Any = None
    always_lazy = False

    def data_augmentation(self) -> None:
        """Makes one row a target, with the place and the length of its history instead of the history.

        Raises:
            ConfigError: If the model brings a dataset that makes its own sequences.
        """
        if not (self.always_lazy or self.config["lazy_sequences"]):
            super().data_augmentation()
            return
        own: Any = next(base for base in type(self).__mro__ if base.__module__.startswith("recbole.data"))
        if own.data_augmentation is not SequentialDataset.data_augmentation:
            raise ConfigError(f"lazy_sequences: {own.__name__} makes sequences of its own; leave the key out")
        self._aug_presets()
        self._check_field("uid_field", "time_field")
        self.sort(by=[self.uid_field, self.time_field], ascending=True)
        self._flat = self.inter_feat
        targets, lengths = histories(self._flat[self.uid_field].numpy(), self.max_item_list_len)
        index = torch.from_numpy(targets)
        columns = {name: values[index] for name, values in self._flat.interaction.items()}
        self.set_field_property(PLACE, FeatureType.TOKEN, FeatureSource.INTERACTION, 1)
        self.inter_feat = Interaction({**columns, self.item_list_length_field: lengths, PLACE: targets})

    def __getitem__(self, index: Any, join: bool = True) -> Any:
        """Rows with their histories."""
        rows = self.inter_feat[index]
        if self._flat is None:
            return self.join(rows) if join else rows
        columns = {name: values for name, values in rows.interaction.items() if name != PLACE}
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
        wanted = [name for name in (self.uid_field, self.iid_field, value_field) if name]
        columns = {name: torch.cat([self.inter_feat[name], self._flat[name][self._first_places()]]) for name in wanted}
        return self._create_sparse_matrix(Interaction(columns), self.uid_field, self.iid_field, form, value_field)

    def first_items(self) -> NDArray[np.int64]:
        """The items with which histories of this part begin and that are targets nowhere in it."""
        if self._flat is not None:
            return self._flat[self.iid_field][self._first_places()].numpy()
        rows = self.inter_feat[self.item_list_length_field] == 1
        return self.inter_feat[self.item_id_list_field][rows][:, 0].numpy()

    def _first_places(self) -> torch.Tensor:
        second = self.inter_feat[self.item_list_length_field] == 1
        return self.inter_feat[PLACE][second] - 1


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
