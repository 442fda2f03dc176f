"""The two forms of XLBERT: history and item read together (cross), or each by itself (two towers).

Cross-encoder: Devlin et al., NAACL 2019, section 3.2, a classifier on a pair of texts. Two towers: Reimers and
Gurevych, EMNLP 2019, "Sentence-BERT", section 3, a classifier on (u, v, |u - v|), to which the product is added.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.errors import EncoderError
from recbole_xlrec.model.bert.base import LanguageModel
from recbole_xlrec.model.bert.inputs import Inputs, TwoTexts
from recbole_xlrec.model.bert.sequences import Sequences
from recbole_xlrec.model.bert.tokens import Ids

logger = logging.getLogger(__name__)


class Backbone(nn.Module):
    """The language model with its pooling: inputs to vectors.

    In evaluation inputs are sorted by length, and read so many at a time that a batch has at most `at_once` tokens;
    half as many where the GPU's memory is too small.

    Args:
        model: The pretrained model.
        whole: With what follows the pooling in its files, for vectors that are compared.
    """

    at_once = 1 << 14

    def __init__(self, model: LanguageModel, whole: bool) -> None:
        super().__init__()
        self.transformer, self.name = model.transformer, model.name
        self.pooling = nn.ModuleList([model.pooling, *(model.rest if whole else [])])

    @torch.no_grad()
    def width(self) -> int:
        """Of the vectors."""
        token = torch.zeros(1, 1, dtype=torch.int64)
        return self._read({"input_ids": token, "attention_mask": token + 1}).shape[1]

    def forward(self, inputs: Sequences) -> torch.Tensor:
        """(rows, width)."""
        rows = np.arange(len(inputs.tokens.lengths))
        if self.training:
            return self._read(inputs.padded(rows, self.device))
        order = np.argsort(inputs.tokens.lengths, kind="stable")
        found = torch.cat([self._halving(inputs, part) for part in self._parts(inputs.tokens.lengths, order)])
        return found[torch.from_numpy(np.argsort(order)).to(found.device)]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.transformer.parameters()).device

    def _parts(self, lengths: Ids, order: Ids) -> list[Ids]:
        """Rows in ascending order of length, in parts of at most `at_once` tokens, padding among them."""
        parts, start = [], 0
        while start < len(order):
            ends = (
                np.arange(1, len(order) - start + 1) * lengths[order[start:]]
            )  # tokens of a part, were it to end here
            count = max(1, int(np.searchsorted(ends, self.at_once, side="right")))
            parts.append(order[start : start + count])
            start += count
        return parts

    def _halving(self, inputs: Sequences, rows: Ids) -> torch.Tensor:
        try:
            return self._read(inputs.padded(rows, self.device))
        except torch.OutOfMemoryError as error:
            if len(rows) == 1:
                length = int(inputs.tokens.lengths[rows[0]])
                raise EncoderError(
                    f"encoder {self.name}: the GPU's memory is too small for one input of {length} tokens. Lower "
                    "max_tokens, or set encoder_dtype: bfloat16"
                ) from error
        self.at_once = max(1, self.at_once // 2)
        logger.warning("XLBERT: out of GPU memory in evaluation; now %d tokens at a time", self.at_once)
        torch.cuda.empty_cache()
        return torch.cat([self._halving(inputs, part) for part in np.array_split(rows, 2)])

    def _read(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        found: dict[str, Any] = {
            "token_embeddings": self.transformer(**batch).last_hidden_state,  # (rows, tokens, hidden)
            "attention_mask": batch["attention_mask"],
        }
        for module in self.pooling:
            found = module(found)
        return found["sentence_embedding"].float()  # (rows, width)


def make_head(width: int, hidden: int, dropout: float) -> nn.Sequential:
    """(rows, width) → (rows, 1) logits."""
    return nn.Sequential(
        nn.Dropout(dropout), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, 1)
    )


class CrossEncoder(nn.Module):
    """History and item in one input.

    Args:
        backbone: The language model.
        inputs: What it reads.
        hidden: Width of the head.
        dropout: Of the head.
    """

    def __init__(self, backbone: Backbone, inputs: Inputs, hidden: int, dropout: float) -> None:
        super().__init__()
        self.inputs, self.backbone = inputs, backbone
        self.head = make_head(backbone.width(), hidden, dropout)

    def read(self, users: Ids, items: Ids) -> Sequences:
        """(rows,) each → inputs, with other versions of texts in training."""
        return self.inputs.pairs(users, items, training=self.training)

    def score(self, inputs: Sequences) -> torch.Tensor:
        """(rows,) logits."""
        return self.head(self.backbone(inputs)).squeeze(-1)


class TwoTowers(nn.Module):
    """History and item each by itself, by the same language model. In evaluation an item is read once.

    Arguments as of `CrossEncoder`.
    """

    def __init__(self, backbone: Backbone, inputs: Inputs, hidden: int, dropout: float) -> None:
        super().__init__()
        self.inputs, self.backbone = inputs, backbone
        self.width = backbone.width()
        self.head = make_head(4 * self.width, hidden, dropout)
        self._clear()

    def read(self, users: Ids, items: Ids) -> TwoTexts:
        """(rows,) each → histories and items, with other versions of texts in training."""
        return self.inputs.towers(users, items, training=self.training)

    def score(self, inputs: TwoTexts) -> torch.Tensor:
        """(rows,) logits."""
        device = self.backbone.device
        histories, items = self.backbone(inputs.histories), self._items(inputs)  # (different, width) each
        user = F.embedding(torch.from_numpy(inputs.history_of).to(device), histories)  # (rows, width)
        item = F.embedding(torch.from_numpy(inputs.item_of).to(device), items)  # (rows, width)
        features = torch.cat([user, item, user * item, (user - item).abs()], dim=-1)  # (rows, 4 · width)
        return self.head(features).squeeze(-1)

    def train(self, mode: bool = True) -> TwoTowers:
        """As of any module; item vectors that were kept are forgotten."""
        self._clear()
        return super().train(mode)

    def _clear(self) -> None:
        self._kept: torch.Tensor | None = None  # (items, width)
        self._known = np.zeros(0, dtype=bool)  # (items,) which of them are there
        self._version = -1

    def _items(self, inputs: TwoTexts) -> torch.Tensor:
        """(different, width), from what is kept where no weight has changed since."""
        if self.training or torch.is_grad_enabled():
            return self.backbone(inputs.texts)
        version = sum(weights._version for weights in self.backbone.parameters())
        if self._kept is None or version != self._version:
            count = len(self.inputs.text_of)
            self._kept = torch.empty(count, self.width, device=self.backbone.device)
            self._known, self._version = np.zeros(count, dtype=bool), version
        new = inputs.items[~self._known[inputs.items]]
        if len(new):
            self._kept[torch.from_numpy(new).to(self._kept.device)] = self.backbone(self.inputs.items(new))
            self._known[new] = True
        return self._kept[torch.from_numpy(inputs.items).to(self._kept.device)]
