"""Items that training never saw, known to a trained model by how near their text is to the user's history.

An adapter fitted to the items of training keeps of a text what tells those apart, which of new items says little: on
cold items it alone is below a plain text profile. So an unseen item has a second part, its text itself, which is
compared with the mean text of the history (Rocchio, 1971; see `XLProfile`). The two cosines are averaged, so that
unseen items stay comparable with those of training, which have no second part.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.model.items import Items
from recbole_xlrec.text.whitening import fit_whitening

logger = logging.getLogger(__name__)


class UnseenItems(nn.Module):
    """The second part of queries and items: of an unseen item the weighted mean of both cosines is the score.

    Args:
        vectors: (items, text), zero where an item has no text.
        trained: (items, 1), 1 for the items of training, on which the text vectors are whitened.
        weight: Of the text's cosine, where the model's own has 1.
    """

    vectors: torch.Tensor
    unseen: torch.Tensor

    def __init__(self, vectors: torch.Tensor, trained: torch.Tensor, weight: float) -> None:
        super().__init__()
        self.weight = weight
        seen = vectors[trained[:, 0] > 0]  # (trained, text)
        self.whitening = fit_whitening(seen.cpu().numpy(), "none" if len(seen.unique(dim=0)) < 2 else "zca")
        self.register_buffer("vectors", self._whitened(vectors), persistent=False)  # (items, text)
        self.register_buffer("unseen", 1 - trained, persistent=False)  # (items, 1)

    @classmethod
    def of(cls, config: Any, items: Items) -> UnseenItems | None:
        """Those of a model; None where there is no unseen item with a text, or `unseen_text_weight` is 0."""
        weight, text = config["unseen_text_weight"], items.text
        if not weight or text is None or int(items.trained.sum()) >= len(items.trained) - 1:
            return None
        if text.vectors is None:
            logger.warning("unseen items are known by the adapter alone: their texts take more than text_memory_gb")
            return None
        return cls(text.vectors, items.trained, weight)

    def beside(self, vectors: torch.Tensor) -> torch.Tensor:
        """(items, width) of length 1 → (items, width + text); those of training have nothing beside them."""
        share = 1 - self.unseen * (1 - 1 / (1 + self.weight))  # (items, 1)
        return torch.cat([vectors * share, self.vectors * self.unseen * share], dim=-1)

    def beside_new(self, vectors: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """The same of items that are none of the dataset's, with their texts (new, text)."""
        return torch.cat([vectors, self._whitened(texts)], dim=-1) / (1 + self.weight)

    def _whitened(self, texts: torch.Tensor) -> torch.Tensor:
        whitened = torch.from_numpy(self.whitening.apply(texts.cpu().numpy())).to(texts.device)
        return F.normalize(whitened, dim=-1)

    def query_part(self, histories: torch.Tensor) -> torch.Tensor:
        """(batch, seq) ids, 0 for none → (batch, text)."""
        return self.weight * F.normalize(F.embedding_bag(histories, self.vectors, mode="sum", padding_idx=0), dim=-1)
