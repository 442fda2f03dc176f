"""Queries about hidden items: one a user, with all of that user's hidden items as targets, for sequential models too.

RecBole's sequential loader gives a query a row. Each user's rows of a part whose targets are hidden have one history
(see `lazy_sequences`), so that the first stands for all, and general and sequential models answer the same queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from recbole.data.dataloader import FullSortEvalDataLoader


def query_rows(loader: Any) -> Sequence[int]:
    """The rows of a loader that are queries."""
    if not _grouped(loader):
        return range(loader.sample_size)
    users = loader._dataset.inter_feat[loader._dataset.uid_field].numpy()
    return np.unique(users, return_index=True)[1].tolist()


def hidden_targets(loader: Any) -> sp.csr_matrix | None:
    """Makes a loader give one row a user; (users, items) of the targets. None, and nothing, where rows are queries."""
    if not loader or not _grouped(loader):
        return None
    loader.batch_sampler.sampler = query_rows(loader)
    return loader._dataset.inter_matrix("csr")


def with_targets(batch: Any, targets: sp.csr_matrix, user_field: str) -> Any:
    """A batch of a loader, each row of which is a query with its user's targets, (users, items), for targets."""
    interaction, history, _, _ = batch
    found = targets[interaction[user_field].numpy()]  # (batch, items)
    rows = np.repeat(np.arange(len(interaction)), np.diff(found.indptr))  # (targets,)
    return interaction, history, torch.from_numpy(rows), torch.from_numpy(found.indices).long()


def _grouped(loader: Any) -> bool:
    hidden = getattr(loader._dataset, "targets_hidden", False)
    return hidden and isinstance(loader, FullSortEvalDataLoader) and loader.is_sequential
