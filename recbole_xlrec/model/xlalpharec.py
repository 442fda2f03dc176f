"""XLAlphaRec: text vectors, a small projection, light graph convolution, and a softmax over the catalogue.

AlphaRec (Sheng et al., ICLR 2025, "Language Representations Can be What Recommenders Need"): language-model vectors of
items behind a projection, users as the mean of what they consumed, LightGCN's convolution, InfoNCE on cosines. Where we
differ: the softmax is over the whole catalogue where it is small (`softmax`); a batch has all interactions of its
users, which share a row of scores (`bridge/whole_users`); items may have an offset of their own (`items`); the losses
of `joint` know of languages; and where the projection is linear and there is no offset, the text vectors are convolved
once beforehand, which gives the same vectors, since both are linear, and needs no graph in the training loop.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.graph import LightConvolution
from recbole_xlrec.model.histories import Histories
from recbole_xlrec.model.items import Items
from recbole_xlrec.model.joint import Encode, JointTraining
from recbole_xlrec.model.language_blocks import LanguageBlocks, mean_loss, some
from recbole_xlrec.model.layers import initialise, rows
from recbole_xlrec.model.softmax import CatalogueSoftmax
from recbole_xlrec.model.unseen import UnseenItems
from recbole_xlrec.model.unseen_scores import UnseenScores

_SAMPLE = 256  # users, about, that the calibration of unseen items is measured on


class XLAlphaRec(UnseenScores, GeneralRecommender):
    """Graph convolution of projected text vectors over all languages' interactions."""

    input_type = InputType.POINTWISE
    sample: torch.Tensor
    training_texts: torch.Tensor | None
    query_texts: torch.Tensor | None

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        if not config["temperature"] > 0:
            raise ConfigError(f"temperature: above 0, found {config['temperature']}")
        if config["n_layers"] < 0:
            raise ConfigError(f"n_layers: 0 or more, found {config['n_layers']}")
        self.temperature = config["temperature"]
        self.items = Items(config, dataset, config["embedding_size"])
        self._set_graphs(dataset, config["n_layers"])
        self.unseen = UnseenItems.of(config, self.items)
        self.joint = JointTraining(config, dataset, config["embedding_size"])
        self.softmax = CatalogueSoftmax.from_config(config, dataset)
        self.blocks_of = LanguageBlocks.of(config, dataset)
        self.apply(initialise)

    def _set_graphs(self, dataset: Any, layers: int) -> None:
        """The graph of training, and that of scoring, which has the histories of users that training does not see."""
        same = dataset.query_events is dataset.inter_feat
        self.training_graph = LightConvolution(dataset.histories(), layers)
        self.query_graph = self.training_graph if same else LightConvolution(dataset.query_histories(), layers)
        met = torch.nonzero(self.query_graph.mean.crow_indices().diff())[:, 0]  # (users who have met something,)
        self.register_buffer("sample", met[:: max(1, len(met) // _SAMPLE)], persistent=False)  # (sample,)
        for name in ("training", "query"):
            self.register_buffer(f"{name}_texts", self._convolved_texts(name), persistent=False)

    def _convolved_texts(self, name: str) -> torch.Tensor | None:
        """(users + items, text), where convolving before the projection comes to the same as after it."""
        text, others = self.items.text, (self.items.ids, self.items.works, self.items.language)
        if text is None or text.vectors is None or any(part is not None for part in others):
            return None
        return torch.cat(getattr(self, f"{name}_graph")(text.vectors)) if isinstance(text.adapter, nn.Linear) else None

    def calculate_loss(self, interaction: Any) -> torch.Tensor:
        """Mean cross-entropy of the items consumed, and the losses of joint training."""
        consumers, wanted = interaction[self.USER_ID], interaction[self.ITEM_ID]  # (batch,) each
        weights = self.joint.target_weights(consumers, wanted)
        users, own_row = torch.unique(consumers, return_inverse=True)  # (users,), (batch,)
        batch = self.softmax.candidates(wanted)
        user_vectors, encode = self._sides()
        queries = self._queries(user_vectors(users))  # (users, width)
        blocks = self.blocks_of(users, own_row, wanted, batch)
        masks = [block.no_negatives(len(some(users, block.rows)), block.row_of) for block in blocks]

        def recommend(items: torch.Tensor) -> torch.Tensor:
            directions = F.normalize(items, dim=-1)  # (chosen, width)
            losses = []
            for block, no_negatives in zip(blocks, masks, strict=True):
                scores = block.scores(rows(queries, block.rows), directions, no_negatives)  # (users, chosen) of it
                losses.append(self.softmax.shared(scores, block.row_of, block.places, block.candidates, len(wanted)))
            return mean_loss(blocks, losses, weights)

        return self.joint(recommend, encode(batch.items), encode, batch.items)

    def own_item_vectors(self) -> torch.Tensor:
        """(items, width), of length 1."""
        return F.normalize(self._sides()[1](None), dim=-1)

    def by_text_alone(self, texts: torch.Tensor, languages: torch.Tensor) -> torch.Tensor:
        """(new, text) and language codes (new,) → (new, width), of length 1."""
        vectors = texts / (self.query_graph.layers + 1)  # as of any item without a neighbour: its zeroth layer alone
        if self.query_texts is None:
            vectors = texts
        return F.normalize(self.items.of_text(vectors, languages), dim=-1)

    def sample_queries(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(sample,) some users, and their queries (sample, width + text + 1)."""
        return self.sample, self._asked(self.sample)

    def query_vectors(self, interaction: Any) -> torch.Tensor:
        """(batch, width): the users, and their histories' text for unseen items."""
        return self._asked(interaction[self.USER_ID])

    def _asked(self, users: torch.Tensor) -> torch.Tensor:
        """(batch,) → (batch, width)."""
        queries = self._queries(self._sides()[0](users))
        if self.unseen is None:
            return queries
        return self.unseen.queries(queries, self.temperature, *self.query_graph.histories(users))

    def history_vectors(self, histories: Histories) -> torch.Tensor:
        """(histories, width): newcomers in the graph; one with a known user's history is that user.

        The graph and the items' layers stay as they are: the newcomer hears of the items, and not they of the newcomer.
        """
        given = self.once(self._passed_on)  # (2, items, width or text)
        met = histories.met(self.n_items)  # (histories, items)
        rows, items = (torch.from_numpy(part).long().to(given.device) for part in met.nonzero())
        sizes = torch.from_numpy(np.diff(met.indptr)).to(given.device)  # (histories,)
        degrees = sizes[rows, None].to(given)  # (total, 1)
        parts = given[0, items] / degrees + given[1, items] * degrees**-0.5  # (total, width or text)
        users = given.new_zeros(len(histories), given.shape[-1]).index_add_(0, rows, parts)
        text = self.items.text
        queries = self._queries(users if self.query_texts is None or text is None else text.adapter(users))
        if self.unseen is None:
            return queries
        return self.unseen.queries(queries, self.temperature, items, sizes.long().cumsum(0) - sizes)

    def _passed_on(self) -> torch.Tensor:
        text = None if self.query_texts is None or self.items.text is None else self.items.text.vectors
        return self.query_graph.passed_on(self.items() if text is None else text)

    def _queries(self, users: torch.Tensor) -> torch.Tensor:
        return F.normalize(users, dim=-1) / self.temperature

    def _sides(self) -> tuple[Encode, Encode]:
        """What gives the convolved vectors of users and of items, by ids (chosen,) or, for None, of all."""
        texts = self.training_texts if self.training else self.query_texts
        table = self.once(self._convolved) if texts is None else texts
        users, items = table.split([self.n_users, self.n_items])
        if texts is None or self.items.text is None:
            return partial(rows, users), partial(rows, items)
        adapter = self.items.text.adapter
        return lambda ids: adapter(rows(users, ids)), lambda ids: adapter(rows(items, ids))

    def _convolved(self) -> torch.Tensor:
        """(users + items, width)."""
        graph = self.training_graph if self.training else self.query_graph
        return torch.cat(graph(self.items()))
