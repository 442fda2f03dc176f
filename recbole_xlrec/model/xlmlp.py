"""XLMLP: click prediction from text, profile, languages and fields: ŷ = σ(FC(Dropout(MLP(Embed(x))))).

The embedding-and-MLP form of click models (Covington et al., RecSys 2016; Zhang et al., ECIR 2016, "FNN"), on RecBole's
embeddings of token, sequence and float fields. x holds besides: the item's text vector and the user's multilingual
profile through one adapter, their product and cosine (`click_text`), the languages of both, and where there are labels
what the user thought of items like this one (`neighbourhood`). Where we differ: profile and neighbourhood leave out the
item of the row; and a value that training never met, be it the id of a cold item, adds nothing instead of the noise of
a vector that was drawn and never trained.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.init import xavier_normal_initialization
from recbole.model.layers import MLPLayers
from recbole.utils import FeatureSource
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.adapters import ADAPTERS, make_adapter
from recbole_xlrec.model.click_labels import check_labels
from recbole_xlrec.model.click_text import LanguageFeatures, TextFeatures
from recbole_xlrec.model.histories import Ids
from recbole_xlrec.model.kernels import make_kernels
from recbole_xlrec.model.layers import rows
from recbole_xlrec.model.met_values import met_values
from recbole_xlrec.model.neighbourhood import Neighbourhood, Opinions
from recbole_xlrec.text.aligned import TextRows


class XLMLP(ContextRecommender):
    """Click prediction by an MLP over text, the user's profile and opinions in all languages, and atomic fields."""

    met_tokens: torch.Tensor
    met_seqs: torch.Tensor

    def __init__(self, config: Any, dataset: Any) -> None:
        _check(config, dataset)
        super().__init__(config, dataset if config["id_embedding"] else _WithoutIds(dataset))
        del self.first_order_linear  # RecBole makes one for every context model; the formula has none
        self.USER_ID, self.ITEM_ID = dataset.uid_field, dataset.iid_field  # as RecBole's other models have them
        self.n_users, self.n_items = dataset.user_num, dataset.item_num
        self.register_buffer("met_tokens", met_values(dataset, self.token_field_names), persistent=False)  # (values, 1)
        self.register_buffer("met_seqs", met_values(dataset, self.token_seq_field_names), persistent=False)
        self.languages = _language_features(dataset, self.embedding_size)
        texts = dataset.texts_as_read() if config["adapter"] != "none" else None
        self.text = None if texts is None else _text_features(config, dataset, *texts)
        self.neighbourhood = _neighbourhood(config, dataset, texts)
        width = self.num_feature_field * self.embedding_size + self.languages.width
        width += sum(part.width for part in (self.text, self.neighbourhood) if part is not None)
        if not width:
            raise ConfigError(
                "adapter: none and id_embedding: False leave nothing to learn from: load fields by load_col"
            )
        self.mlp = MLPLayers([width, *config["mlp_hidden_size"]], config["dropout_prob"])
        self.dropout = nn.Dropout(config["dropout_prob"])
        self.output = nn.Linear(config["mlp_hidden_size"][-1], 1)
        self.apply(xavier_normal_initialization)

    def forward(self, interaction: Any) -> torch.Tensor:
        """(batch,) logits."""
        return self.output(self.dropout(self.mlp(self._embed(interaction)))).squeeze(-1)

    def calculate_loss(self, interaction: Any) -> torch.Tensor:
        """Mean binary cross-entropy."""
        return F.binary_cross_entropy_with_logits(self(interaction), interaction[self.LABEL])

    def predict(self, interaction: Any) -> torch.Tensor:
        """(batch,) probabilities."""
        return torch.sigmoid(self(interaction).float())

    def embed_token_fields(self, token_fields: torch.Tensor | None) -> torch.Tensor | None:
        """RecBole's (batch, fields) → (batch, fields, width); zero for values that training never met."""
        embedded = super().embed_token_fields(token_fields)
        if token_fields is None or embedded is None:
            return None
        places = token_fields + torch.as_tensor(self.token_field_offsets, device=token_fields.device)
        return embedded * rows(self.met_tokens, places)

    def embed_token_seq_fields(self, token_seq_fields: list[torch.Tensor], mode: str = "mean") -> torch.Tensor | None:
        """RecBole's (batch, length) of each field → (batch, fields, width); values that training never met left out."""
        masks = self.met_seqs[:, 0].split(self.token_seq_field_dims) if token_seq_fields else []
        known = [values * (mask[values] > 0) for values, mask in zip(token_seq_fields, masks, strict=True)]
        return super().embed_token_seq_fields(known, mode)

    def _embed(self, interaction: Any) -> torch.Tensor:
        """(batch, width): all that x holds."""
        users, items = interaction[self.USER_ID], interaction[self.ITEM_ID]  # (batch,) each
        fields = [part.flatten(1) for part in self.embed_input_fields(interaction) if part is not None]
        others = [part(users, items) for part in (self.text, self.neighbourhood) if part is not None]
        return torch.cat([*fields, self.languages(users, items), *others], dim=-1)


class _WithoutIds:
    """A dataset whose fields do not include the ids of users and items."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def fields(self, source: list[FeatureSource]) -> list[str]:
        """RecBole's ``fields``; see there."""
        ids = (FeatureSource.USER_ID, FeatureSource.ITEM_ID)
        return self._dataset.fields(source=[kind for kind in source if kind not in ids])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)


def _text_features(config: Any, dataset: Any, texts: TextRows, starts: Ids) -> TextFeatures:
    width = config["text_embedding_size"]
    adapter = make_adapter(config["adapter"], texts.width, width, config["adapter_experts"])
    histories = _histories(dataset, starts, len(texts.order))
    return TextFeatures(texts, starts, histories, adapter, width, config["text_memory_gb"])


def _neighbourhood(config: Any, dataset: Any, texts: tuple[TextRows, Ids] | None) -> Neighbourhood | None:
    events, history = dataset.inter_feat, dataset.query_events
    if not config["neighbourhood"] or dataset.label_field not in events.columns:
        return None
    users, items = (history[field].numpy() for field in (dataset.uid_field, dataset.iid_field))
    kernels = make_kernels(config, dataset, texts, items)
    if not kernels:
        return None
    opinions = Opinions(users, items, history[dataset.label_field].numpy(), kernels)
    trained = events[dataset.uid_field].numpy(), events[dataset.iid_field].numpy()
    return Neighbourhood(opinions, trained, config["embedding_size"], config["show_progress"])


def _language_features(dataset: Any, width: int) -> LanguageFeatures:
    index, events = dataset.languages, dataset.inter_feat
    users, items = (index.users, index.items) if index is not None else (None, None)
    met_users, met_items = (np.unique(events[field].numpy()) for field in (dataset.uid_field, dataset.iid_field))
    return LanguageFeatures(users, items, met_users, met_items, width)


def _histories(dataset: Any, starts: np.ndarray, texts: int) -> list[sp.csr_matrix]:
    """(users, texts) counts of what is labelled 1, and of what is labelled 0; of all where there are no labels."""
    events = dataset.query_events
    if dataset.label_field not in events.columns:
        kinds = [np.ones(len(events), dtype=bool)]
    else:
        liked = events[dataset.label_field].numpy() > 0.5  # (events,)
        kinds = [liked, ~liked]
    users, items = (events[field].numpy() for field in (dataset.uid_field, dataset.iid_field))
    read = starts[users] + items  # (interactions,)
    shape = dataset.user_num, texts
    return [
        sp.csr_matrix((np.ones(kind.sum(), dtype=np.float32), (users[kind], read[kind])), shape=shape) for kind in kinds
    ]


def _check(config: Any, dataset: Any) -> None:
    if config["adapter"] not in ADAPTERS:
        raise ConfigError(f"adapter is one of {', '.join(ADAPTERS)}; found {config['adapter']!r}")
    widths = config["mlp_hidden_size"]
    if not isinstance(widths, list) or not widths or not all(isinstance(width, int) and width > 0 for width in widths):
        raise ConfigError(f"mlp_hidden_size: a list of one or more widths from 1 on, as [128, 64]; found {widths!r}")
    if not 0 <= config["dropout_prob"] < 1:
        raise ConfigError(f"dropout_prob: from 0 on and below 1, found {config['dropout_prob']}")
    check_labels(config, dataset)
