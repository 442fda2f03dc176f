"""What an item is to a trained model: its text through an adapter, offsets of its own and of its work, its language."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from recbole_xlrec.data.columns import ITEM, USER
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.adapters import ADAPTERS, make_adapter
from recbole_xlrec.model.layers import bounded, rows
from recbole_xlrec.model.works import Works
from recbole_xlrec.text.aligned import TextRows

_SELDOM = 0.1  # share of the items of training, at least, that stands for those consumed least
_ROWS = 16384  # items whose text is read and adapted at a time where the whole catalogue is wanted


def most_of_least(counts: torch.Tensor) -> int:
    """(items,) interactions of each → how many an item has, at most, that is one of those consumed least."""
    met = counts[counts > 0].sort().values
    return int(met[int(_SELDOM * len(met))]) if len(met) else 0


class Items(nn.Module):
    """Item vectors of a model's width.

    The offset is for items of the training data only, so that others are known by their text as it is (Hou et al., KDD
    2022, call text alone inductive, and text with an offset transductive).

    Args:
        config: `adapter`, `adapter_experts`, `id_embedding`, `id_norm`, `work_embedding`, `language_embedding`,
            `text_memory_gb`.
        dataset: The training part.
        width: Of the model.

    Raises:
        ConfigError: For an unknown adapter, an item that would be nothing, or languages that are not there.
    """

    counts: torch.Tensor
    trained: torch.Tensor
    seldom: torch.Tensor
    languages: torch.Tensor | None

    def __init__(self, config: Any, dataset: Any, width: int) -> None:
        super().__init__()
        kind, self.id_norm = config["adapter"], config["id_norm"]
        if kind not in ADAPTERS:
            raise ConfigError(f"adapter is one of {', '.join(ADAPTERS)}; found {kind!r}")
        if kind == "none" and not config["id_embedding"]:
            raise ConfigError("adapter: none leaves text out, so that id_embedding must be True")
        self.text = None
        if kind != "none":
            texts = dataset.text_rows()
            adapter = make_adapter(kind, texts.width, width, config["adapter_experts"])
            self.text = AdaptedText(texts, adapter, config["text_memory_gb"])
        self.ids = nn.Embedding(dataset.item_num, width, padding_idx=0) if config["id_embedding"] else None
        self.works = Works.of(config, dataset, width)
        counts = torch.from_numpy(dataset.training_counts)
        known = counts if self.works is None else self.works.counts
        self.register_buffer("counts", known, persistent=False)  # (items,) interactions in training, or of their works
        self.register_buffer("trained", (counts > 0).float()[:, None], persistent=False)  # (items, 1)
        seldom = torch.nonzero((counts > 0) & (counts <= most_of_least(counts)))[:, 0]
        self.register_buffer("seldom", seldom, persistent=False)  # (seldom,)
        codes = None
        if config["language_embedding"]:
            codes = torch.from_numpy(dataset.needed_languages("language_embedding", of=(USER, ITEM)).items)
        self.register_buffer("languages", codes, persistent=False)  # (items,)
        self.language = nn.Embedding(int(codes.max()) + 1, width) if codes is not None else None

    def forward(self, items: torch.Tensor | None = None) -> torch.Tensor:
        """(chosen,) ids → (chosen, width); of the whole catalogue, (items, width), where none are given."""
        parts = [] if self.text is None else [self.text(items)]
        if self.ids is not None:
            parts.append(bounded(rows(self.ids.weight, items), self.id_norm) * rows(self.trained, items))
        if self.works is not None:
            parts.append(self.works(items))
        if self.language is not None and self.languages is not None:
            parts.append(self.language(self.languages if items is None else self.languages[items]))
        return torch.stack(parts).sum(dim=0)

    def unseen_offset(self) -> torch.Tensor | float:
        """(width,) what stands for the offset of an item that training never saw: the mean of those consumed least."""
        if self.ids is None or not len(self.seldom):
            return 0.0
        return bounded(rows(self.ids.weight, self.seldom), self.id_norm).mean(dim=0)

    def of_text(self, texts: torch.Tensor, languages: torch.Tensor) -> torch.Tensor:
        """Vectors of items that are no items of the dataset.

        Args:
            texts: (new, text).
            languages: (new,) codes; one that training had no items of adds nothing.

        Returns:
            (new, width).

        Raises:
            ConfigError: If the model leaves text out.
        """
        if self.text is None:
            raise ConfigError("adapter: none leaves text out, so that items are known by their id alone")
        vectors = self.text.adapter(texts)
        if self.language is None:
            return vectors
        known = languages < self.language.num_embeddings  # (new,)
        return vectors + self.language(torch.where(known, languages, 0)) * known[:, None]


class AdaptedText(nn.Module):
    """Text vectors through an adapter. Those that are small enough are a buffer; larger ones stay on disk.

    Args:
        texts: The text vectors.
        adapter: From their width to the model's.
        gigabytes: What a buffer may take.
    """

    vectors: torch.Tensor | None

    def __init__(self, texts: TextRows, adapter: nn.Module, gigabytes: float) -> None:
        super().__init__()
        self.texts, self.adapter = texts, adapter
        vectors = torch.from_numpy(texts.all()) if texts.fits(gigabytes) else None
        self.register_buffer("vectors", vectors, persistent=False)  # (items, text)

    def forward(self, items: torch.Tensor | None) -> torch.Tensor:
        """(chosen,) ids, or None for all → (chosen, width)."""
        if self.vectors is not None:
            return self.adapter(rows(self.vectors, items))
        if items is not None:
            return self.adapter(self._read(items))
        blocks = torch.arange(len(self.texts.order), device=next(self.adapter.parameters()).device).split(_ROWS)
        return torch.cat([self.adapter(self._read(block)) for block in blocks])

    def _read(self, items: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.texts.rows(items.cpu().numpy())).to(items.device)
