"""XLProfile: a user is the recency-weighted mean of the text vectors of what they consumed.

The profile builder that content-based cross-language systems start from (Rocchio, 1971, with positive feedback only),
training-free: the floor that any trained model must beat. In one space for all languages, a history in one language
scores items in another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType, ModelType
from sklearn.preprocessing import normalize
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.histories import Histories
from recbole_xlrec.model.inner_product import InnerProduct


class XLProfile(InnerProduct, GeneralRecommender):
    """Cosine between items and the mean of a user's items, each halved in weight every ``half_life`` interactions.

    Without timestamps all items of a user weigh alike. The (users, width) profiles and (items, width) vectors are kept
    in memory and never written to a checkpoint: they follow from the data.
    """

    input_type = InputType.POINTWISE
    type = ModelType.TRADITIONAL
    vectors: torch.Tensor
    profiles: torch.Tensor

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.dummy_param = nn.Parameter(torch.zeros(1))  # RecBole builds an optimizer for every model
        if config["half_life"] < 0:
            raise ConfigError(f"half_life is a number of interactions, 0 or more; found {config['half_life']}")
        timed = dataset.time_field in dataset.query_events
        self.half_life = config["half_life"] if timed else 0
        vectors = normalize(dataset.text_vectors())  # (items, width)
        profiles = normalize(recency_weights(dataset, config["half_life"]) @ vectors)  # (users, width)
        for name, matrix in (("vectors", vectors), ("profiles", profiles)):
            self.register_buffer(name, torch.from_numpy(matrix.astype(np.float32)), persistent=False)

    def calculate_loss(self, interaction: Any) -> torch.Tensor:
        """Nothing to train: a zero that has a gradient."""
        return self.dummy_param.sum() * 0.0

    def query_vectors(self, interaction: Any) -> torch.Tensor:
        """Profiles of the users, (batch, width)."""
        return self.profiles[interaction[self.USER_ID]]

    def history_vectors(self, histories: Histories) -> torch.Tensor:
        """Profiles of histories, (histories, width)."""
        parts = self.history_parts(histories)
        profiles = parts.new_zeros(len(histories), parts.shape[1])
        return profiles.index_add_(0, torch.from_numpy(histories.rows).to(parts.device), parts)

    def history_parts(self, histories: Histories) -> torch.Tensor:
        """What each item adds to the profile of its history, (total, width)."""
        ages = histories.ages()
        weights = 0.5 ** (ages / self.half_life) if self.half_life > 0 else np.ones(len(ages))  # (total,)
        parts = self.vectors.cpu().numpy()[histories.items] * weights[:, None].astype(np.float32)  # (total, width)
        sums = np.add.reduceat(parts, histories.starts[:-1], axis=0)  # (histories, width)
        lengths = np.linalg.norm(sums, axis=1)
        scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        return torch.from_numpy(parts * scale[histories.rows, None]).to(self.vectors.device)

    def item_vectors(self) -> torch.Tensor:
        """Text vectors of length 1, (items, width)."""
        return self.vectors

    def new_item_vectors(self, texts: torch.Tensor, languages: torch.Tensor) -> torch.Tensor:
        """Vectors of items that the run does not know, (new, width) → the same, of length 1."""
        return F.normalize(texts, dim=-1)


def recency_weights(dataset: Any, half_life: float) -> sp.csr_matrix:
    """The weight of each item in each user's profile, (users, items).

    Args:
        dataset: The training part, whose `query_events` are the histories.
        half_life: Interactions after which an item counts half; 0 for no decay.
    """
    events = dataset.query_events
    users, items = events[dataset.uid_field].numpy(), events[dataset.iid_field].numpy()
    weights = np.ones(len(users), dtype=np.float32)
    if half_life > 0 and dataset.time_field in events:
        listed = np.arange(len(users))
        # Each user's latest first; of two at one time the one listed later counts as later.
        order = np.lexsort((-listed, -events[dataset.time_field].numpy(), users))
        first = np.searchsorted(users[order], users[order])  # (events,) where each event's user begins
        weights[order] = 0.5 ** ((listed - first) / half_life)
    return sp.csr_matrix((weights, (users, items)), shape=(dataset.user_num, dataset.item_num))
