"""XLSASRec: a causal transformer over items that are known by their text, by an id, or by both.

SASRec (Kang and McAuley, ICDM 2018) with what later work found to matter: softmax over the whole catalogue at every
position (Klenitskiy and Vasilev, RecSys 2023, "Turning Dross Into Gold Loss"), item vectors from a frozen text
encoder through an adapter (Hou et al., KDD 2022, "UniSRec"), a trainable offset of bounded length beside them, and
cosine scores with a temperature. Where we differ: windows count every target once (`bridge/windows`), pre-norm blocks
on PyTorch's `scaled_dot_product_attention`.
"""

from __future__ import annotations

from typing import Any

import torch
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.bridge.windows import TARGETS
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.layers import CausalBlock, bounded

ADAPTERS = ("none", "linear", "mlp")


class XLSASRec(SequentialRecommender):
    """Next-item transformer of all languages, on text and ids, trained at every position of a window."""

    input_type = InputType.POINTWISE
    vectors: torch.Tensor | None

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        width, dropout = config["hidden_size"], config["dropout"]
        if config["adapter"] not in ADAPTERS or (config["adapter"] == "none" and not config["id_embedding"]):
            raise ConfigError("adapter is one of none, linear, mlp, and without text (none) id_embedding must be True")
        if width % config["n_heads"]:
            raise ConfigError(f"hidden_size {width} is no multiple of n_heads {config['n_heads']}")
        self.temperature, self.id_norm, self.dropout = config["temperature"], config["id_norm"], dropout
        vectors = torch.from_numpy(dataset.text_vectors()) if config["adapter"] != "none" else None
        self.register_buffer("vectors", vectors, persistent=False)  # (items, text width)
        self.adapter = _adapter(config["adapter"], 0 if vectors is None else vectors.shape[1], width)
        self.ids = nn.Embedding(self.n_items, width, padding_idx=0) if config["id_embedding"] else None
        self.positions = nn.Embedding(self.max_seq_length, width)
        layers = range(config["n_layers"])
        self.blocks = nn.ModuleList(CausalBlock(width, config["n_heads"], 4 * width, dropout) for _ in layers)
        self.norm = nn.LayerNorm(width)
        self.apply(_initialise)

    def calculate_loss(self, interaction: Any) -> torch.Tensor:
        """Mean cross-entropy of the targets that count."""
        targets = interaction[TARGETS]  # (batch, seq)
        counted = targets > 0
        items = self._items()  # (items, width)
        states = self._states(interaction[self.ITEM_SEQ], items)[counted]  # (targets, width)
        return F.cross_entropy(self._scores(states, items), targets[counted])

    def predict(self, interaction: Any) -> torch.Tensor:
        """Scores of (history, item) pairs, (batch,)."""
        scores = self._encode(interaction)
        return scores.gather(1, interaction[self.ITEM_ID][:, None]).squeeze(1)

    def full_sort_predict(self, interaction: Any) -> torch.Tensor:
        """Scores of all items after each history, (batch * items,)."""
        return self._encode(interaction).flatten()

    def _encode(self, interaction: Any) -> torch.Tensor:
        items = self._items()
        states = self._states(interaction[self.ITEM_SEQ], items)  # (batch, seq, width)
        last = self.gather_indexes(states, interaction[self.ITEM_SEQ_LEN] - 1)  # (batch, width)
        return self._scores(last, items)

    def _items(self) -> torch.Tensor:
        """(items, width)."""
        parts = [] if self.adapter is None else [self.adapter(self.vectors)]
        if self.ids is not None:
            parts.append(bounded(self.ids.weight, self.id_norm))
        return torch.stack(parts).sum(dim=0)

    def _states(self, sequences: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """(batch, seq) → (batch, seq, width); what follows a position never changes it, so that padding does not."""
        places = torch.arange(sequences.shape[1], device=sequences.device)
        known = F.embedding(sequences, items)  # whose gradient, unlike that of an index, is the same in every run
        states = F.dropout(known + self.positions(places), self.dropout, self.training)
        for block in self.blocks:
            states = block(states)
        return self.norm(states)

    def _scores(self, states: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """(rows, width) → (rows, items) cosines over the temperature; the padding item is out of question."""
        cosines = F.normalize(states, dim=-1) @ F.normalize(items, dim=-1).T  # (rows, items)
        padding = torch.zeros_like(cosines[:1])
        padding[:, 0] = torch.finfo(cosines.dtype).min / 2
        return cosines / self.temperature + padding


def _adapter(kind: str, text: int, width: int) -> nn.Module | None:
    if kind == "none":
        return None
    if kind == "linear":
        return nn.Linear(text, width)
    return nn.Sequential(nn.Linear(text, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        with torch.no_grad():
            module.weight[module.padding_idx].zero_()
