"""Windows: one training row holds many targets, each position predicting the next.

RecBole trains a sequence of length n as n - 1 rows, each of which is encoded anew. A causal model gives all their
losses in one pass over a window. Windows overlap, so that a target has context before it; in each only the targets
that no earlier window has are counted, so that every target counts exactly once. Validation and test rows stay
RecBole's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.data.dataset import SequentialDataset
from recbole.data.interaction import Interaction
from recbole.utils import FeatureSource, FeatureType

from recbole_xlrec.bridge.lazy_sequences import PLACE, LazySequencesMixin, cut
from recbole_xlrec.errors import ConfigError

#: Columns of a training row: how many targets are new, and the targets themselves, 0 where one is not counted.
NEW, TARGETS = "window_new", "window_targets"


class WindowDataset(LazySequencesMixin, SequentialDataset):
    """A sequential dataset whose training part has windows for rows."""

    always_lazy = True

    def build(self) -> list[Any]:
        """RecBole's split; the training part in windows.

        Raises:
            ConfigError: If `window_stride` is not from 1 to MAX_ITEM_LIST_LENGTH.
        """
        stride = self.config["window_stride"]
        if not 1 <= stride <= self.max_item_list_len:
            raise ConfigError(
                f"window_stride {stride}: from 1 to MAX_ITEM_LIST_LENGTH ({self.max_item_list_len}), since a window "
                "has no more targets than inputs"
            )
        train, *others = super().build()
        rows, new = windows(train.inter_feat[self.uid_field].numpy(), train.inter_feat[PLACE].numpy(), stride)
        index = torch.from_numpy(rows)
        columns = {name: values[index] for name, values in train.inter_feat.interaction.items()}
        train.set_field_property(NEW, FeatureType.TOKEN, FeatureSource.INTERACTION, 1)
        return [train.copy(Interaction({**columns, NEW: torch.from_numpy(new)})), *others]

    def _target_places(self) -> torch.Tensor:
        places = super()._target_places()
        if NEW not in self.inter_feat:
            return places
        new = self.inter_feat[NEW]  # (windows,)
        last = torch.repeat_interleave(places, new)  # (targets,)
        ends = torch.repeat_interleave(new.cumsum(0), new)  # (targets,)
        return last - (ends - 1 - torch.arange(len(last)))

    def __getitem__(self, index: Any, join: bool = True) -> Any:
        """Rows with their histories; windows with their targets too."""
        whole = super().__getitem__(index, join)
        if NEW not in self.inter_feat:
            return whole
        rows = self.inter_feat[index]
        lengths = rows[self.item_list_length_field]
        targets = cut(self._flat[self.iid_field], rows[PLACE] + 1, lengths, self.max_item_list_len)  # (rows, width)
        old = torch.arange(self.max_item_list_len) < (lengths - rows[NEW])[:, None]  # (rows, width)
        whole.update(Interaction({TARGETS: targets.masked_fill_(old, 0)}))
        return whole


def windows(
    users: NDArray[np.int64], places: NDArray[np.int64], stride: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Chooses the rows whose target is the last of a window.

    Args:
        users: (targets,) user of each training target.
        places: (targets,) its place among the interactions by user and time.
        stride: Targets that a window counts, at most.

    Returns:
        (windows,) rows; (windows,) how many targets up to that one are new.

    Example:
        >>> [part.tolist() for part in windows(np.array([1, 1, 1, 2]), np.array([1, 2, 3, 6]), 2)]
        [[1, 2, 3], [2, 1, 1]]
    """
    order = np.lexsort((places, users))
    users, places = users[order], places[order]
    breaks = np.append(True, (users[1:] != users[:-1]) | (np.diff(places) != 1))[: len(places)]
    steps = np.arange(len(places))
    inside = steps - np.maximum.accumulate(np.where(breaks, steps, 0))  # (targets,) place within its run
    last = np.append(breaks[1:], True)[: len(places)] | (inside % stride == stride - 1)
    chosen = np.flatnonzero(last)
    return order[chosen], inside[chosen] % stride + 1
