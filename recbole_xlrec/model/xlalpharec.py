"""XLAlphaRec: text vectors, a small projection, light graph convolution, and a softmax over the catalogue.

AlphaRec (Sheng et al., ICLR 2025, "Language Representations Can be What Recommenders Need"): language-model vectors of
items behind a projection, users as the mean of what they consumed, LightGCN's convolution, InfoNCE on cosines. Where we
differ: the softmax is over the whole catalogue where it is small (`softmax`), items may have an offset of their own
(`items`), the losses of `joint` know of languages; and where the projection is linear and there is no offset, the text
vectors are convolved once beforehand, which gives the same vectors, since both are linear, and needs no graph in the
training loop.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType
from torch.nn import functional as F

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.graph import LightConvolution
from recbole_xlrec.model.inner_product import InnerProduct
from recbole_xlrec.model.items import Items
from recbole_xlrec.model.joint import Encode, JointTraining
from recbole_xlrec.model.layers import initialise, rows
from recbole_xlrec.model.softmax import CatalogueSoftmax


class XLAlphaRec(InnerProduct, GeneralRecommender):
    """Graph convolution of projected text vectors over all languages' interactions."""

    input_type = InputType.POINTWISE
    user_texts: torch.Tensor | None
    item_texts: torch.Tensor | None

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        if not config["temperature"] > 0:
            raise ConfigError(f"temperature: above 0, found {config['temperature']}")
        if config["n_layers"] < 0:
            raise ConfigError(f"n_layers: 0 or more, found {config['n_layers']}")
        self.temperature = config["temperature"]
        self.items = Items(config, dataset, config["embedding_size"])
        self.graph = LightConvolution(dataset.query_histories(), config["n_layers"])
        self.joint = JointTraining(config, dataset, config["embedding_size"])
        self.softmax = CatalogueSoftmax.from_config(config, dataset)
        self.apply(initialise)
        self._convolve_text(config["adapter"])

    def _convolve_text(self, adapter: str) -> None:
        once = adapter == "linear" and self.items.ids is None and self.items.language is None
        texts = self.graph(self.items.vectors) if once and self.items.vectors is not None else (None, None)
        for name, vectors in zip(("user_texts", "item_texts"), texts, strict=True):
            self.register_buffer(name, vectors, persistent=False)  # (users, text), (items, text)

    def calculate_loss(self, interaction: Any) -> torch.Tensor:
        """Mean cross-entropy of the items consumed, and the losses of joint training."""
        users, wanted = interaction[self.USER_ID], interaction[self.ITEM_ID]  # (batch,) each
        weights = self.joint.target_weights(users, wanted)
        batch = self.softmax.candidates(wanted)
        user_vectors, encode = self._sides()
        queries = self._queries(user_vectors(users))  # (batch, width)

        def recommend(items: torch.Tensor) -> torch.Tensor:
            scores = queries @ F.normalize(items, dim=-1).T  # (batch, chosen)
            return self.softmax(scores, batch.places(wanted), batch, len(wanted), weights)

        return self.joint(recommend, encode(batch.items), encode, batch.items)

    def item_vectors(self) -> torch.Tensor:
        """(items, width), of length 1."""
        return F.normalize(self._sides()[1](None), dim=-1)

    def query_vectors(self, interaction: Any) -> torch.Tensor:
        """(batch, width): the users."""
        return self._queries(self._sides()[0](interaction[self.USER_ID]))

    def _queries(self, users: torch.Tensor) -> torch.Tensor:
        return F.normalize(users, dim=-1) / self.temperature

    def _sides(self) -> tuple[Encode, Encode]:
        """What gives the convolved vectors of users and of items, by ids (chosen,) or, for None, of all."""
        if self.user_texts is None:
            users, items = self.once(self._convolved).split([self.n_users, self.n_items])
            return partial(rows, users), partial(rows, items)
        adapter = self.items.adapter
        return (
            lambda ids: adapter(rows(self.user_texts, ids)),
            lambda ids: adapter(rows(self.item_texts, ids)),
        )

    def _convolved(self) -> torch.Tensor:
        """(users + items, width)."""
        return torch.cat(self.graph(self.items()))
