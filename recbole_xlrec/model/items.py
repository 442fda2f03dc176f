"""What an item is to a trained model: its text through an adapter, a bounded offset of its own, its language."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.adapters import ADAPTERS, make_adapter
from recbole_xlrec.model.layers import bounded, rows

_ROWS = 16384  # items whose text is read and adapted at a time where the whole catalogue is wanted


class Items(nn.Module):
    """Item vectors of a model's width.

    Text vectors that are small enough are a buffer; larger ones stay on disk and are read row by row. The offset is
    for items of the training data only, so that others are known by their text as it is (Hou et al., KDD 2022, call the
    two settings inductive and transductive).

    Args:
        config: `adapter`, `adapter_experts`, `id_embedding`, `id_norm`, `language_embedding`.
        dataset: The training part.
        width: Of the model.

    Raises:
        ConfigError: For an unknown adapter, an item that would be nothing, or languages that are not there.
    """

    vectors: torch.Tensor | None
    trained: torch.Tensor
    languages: torch.Tensor | None

    def __init__(self, config: Any, dataset: Any, width: int) -> None:
        super().__init__()
        if config["adapter"] not in ADAPTERS:
            raise ConfigError(f"adapter is one of {', '.join(ADAPTERS)}; found {config['adapter']!r}")
        if config["adapter"] == "none" and not config["id_embedding"]:
            raise ConfigError("adapter: none leaves text out, so that id_embedding must be True")
        self.count, self.width, self.id_norm = dataset.item_num, width, config["id_norm"]
        self.text = dataset.text_rows() if config["adapter"] != "none" else None
        small = self.text is not None and self.text.fits(config["text_memory_gb"])
        self.register_buffer("vectors", torch.from_numpy(self.text.all()) if small else None, persistent=False)
        self.adapter = self.text and make_adapter(config["adapter"], self.text.width, width, config["adapter_experts"])
        self.ids = nn.Embedding(self.count, width, padding_idx=0) if config["id_embedding"] else None
        trained = torch.zeros(self.count, 1)
        trained[torch.from_numpy(dataset.training_items)] = 1.0
        self.register_buffer("trained", trained, persistent=False)  # (items, 1)
        codes = _language_codes(dataset) if config["language_embedding"] else None
        self.register_buffer("languages", codes, persistent=False)  # (items,)
        self.language = nn.Embedding(int(codes.max()) + 1, width) if codes is not None else None

    def forward(self, items: torch.Tensor | None = None) -> torch.Tensor:
        """(chosen,) ids → (chosen, width); of the whole catalogue, (items, width), where none are given."""
        if items is None and self.text is not None and self.vectors is None:
            blocks = torch.arange(self.count, device=self.trained.device).split(_ROWS)
            return torch.cat([self._of(block) for block in blocks])
        return self._of(items)

    def _of(self, items: torch.Tensor | None) -> torch.Tensor:
        parts = []
        if self.adapter is not None:
            parts.append(self.adapter(self._texts(items)))  # (chosen, text) → (chosen, width)
        if self.ids is not None:
            parts.append(bounded(rows(self.ids.weight, items), self.id_norm) * rows(self.trained, items))
        if self.language is not None and self.languages is not None:
            parts.append(self.language(self.languages if items is None else self.languages[items]))
        return torch.stack(parts).sum(dim=0)

    def _texts(self, items: torch.Tensor | None) -> torch.Tensor:
        if self.vectors is not None:
            return rows(self.vectors, items)
        assert self.text is not None and items is not None  # noqa: S101 - for the type checker
        return torch.from_numpy(self.text.rows(items.cpu().numpy())).to(items.device)


def _language_codes(dataset: Any) -> torch.Tensor:
    languages = dataset.languages
    if languages is None or languages.items is None:
        raise ConfigError("language_embedding needs a language column in the item file, and there is none")
    return torch.from_numpy(np.asarray(languages.items))
