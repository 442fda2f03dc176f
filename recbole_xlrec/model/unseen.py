"""Items that training never saw, known to a trained model by how near their text is to the user's history.

An adapter fitted to the items of training keeps of a text what tells those apart, which of new items says little: on
cold items it alone is below a plain text profile. So an unseen item has a second part, its text itself, which is
compared with the mean text of the history (Rocchio, 1971; see `XLProfile`). The two cosines are averaged.

Such a mean is on a scale of its own, so it is brought to the mean and the spread of the scores of items of training:
of those that are consumed least, since who saw nobody take an item can hardly expect many; of all, where unseen items
are new and may become as popular as others; or of something in between. Both are measured on items of training, as they
are and as if they were unseen, for a sample of training histories: that holds for few unseen items too, and for none.
A history is measured on what its user can be recommended: of nothing else have scores been trained.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.items import Items, most_of_least
from recbole_xlrec.text.whitening import fit_whitening

logger = logging.getLogger(__name__)

_MEASURED = 10_000  # items of training, at most, that the calibration is measured on


class UnseenItems(nn.Module):
    """The second part of queries and items: of an unseen item the weighted mean of both cosines is the score.

    Args:
        vectors: (items, text), zero where an item has no text.
        counts: (items,) how often training consumes each; on those that it knows the text vectors are whitened.
        weight: Of the text's cosine, where the model's own has 1.
        popularity: How popular unseen items are taken to be, from 0 (as those consumed least) to 1 (as all).

    Raises:
        ConfigError: If `popularity` is not from 0 to 1.
    """

    vectors: torch.Tensor
    unseen: torch.Tensor
    measured: torch.Tensor

    def __init__(self, vectors: torch.Tensor, counts: torch.Tensor, weight: float, popularity: float) -> None:
        super().__init__()
        if not 0 <= popularity <= 1:
            raise ConfigError(f"unseen_popularity: from 0 to 1, found {popularity}")
        self.weight, self.popularity = weight, popularity
        seen = vectors[counts > 0]  # (trained, text)
        self.whitening = fit_whitening(seen.cpu().numpy(), "none" if len(seen.unique(dim=0)) < 2 else "zca")
        self.register_buffer("vectors", self._whitened(vectors), persistent=False)  # (items, text)
        self.register_buffer("unseen", (counts == 0).float()[:, None], persistent=False)  # (items, 1)
        known = torch.nonzero((counts > 0) & vectors.any(dim=1))[:, 0]  # (known,)
        known = known[torch.argsort(counts[known], stable=True)][:: -(-len(known) // _MEASURED) or 1]  # (measured,)
        self.register_buffer("measured", known, persistent=False)  # (measured,) the least consumed first
        self.seldom = int((counts[known] <= most_of_least(counts[known])).sum())

    @classmethod
    def of(cls, config: Any, items: Items) -> UnseenItems | None:
        """Those of a model; None where there is no unseen item with a text, or `unseen_text_weight` is 0."""
        if int((items.counts > 0).sum()) >= len(items.counts) - 1:
            return None
        return cls.of_new(config, items)

    @classmethod
    def of_new(cls, config: Any, items: Items) -> UnseenItems | None:
        """The same for items that are none of the dataset's, where those of the dataset are all seen."""
        weight, text = config["unseen_text_weight"], items.text
        if not weight or text is None:
            return None
        if text.vectors is None:
            logger.warning("unseen items are known by the adapter alone: their texts take more than text_memory_gb")
            return None
        return cls(text.vectors, items.counts, weight, config["unseen_popularity"])

    def calibrate(
        self, queries: torch.Tensor, seen: torch.Tensor, as_unseen: torch.Tensor, ranked: torch.Tensor
    ) -> torch.Tensor:
        """Measures how scores of unseen items become comparable.

        Args:
            queries: (sample, width + text + 1) of `queries`.
            seen: (measured, width) of the items `measured`, as they are.
            as_unseen: (measured, width) the same without what training gave to each alone.
            ranked: (sample, measured) True where an item is a candidate of the query.

        Returns:
            (2,) what a score is multiplied by, and what is added.
        """
        none = queries.new_tensor([1.0, 0.0])
        if not ranked[:, : self.seldom].any():
            return none
        wanted = queries[:, : seen.shape[1]] @ seen.T  # (sample, measured)
        found = queries @ self._mean(as_unseen, self.vectors[self.measured], none).T
        least = _level(wanted[:, : self.seldom], ranked[:, : self.seldom])
        middle, spread = torch.lerp(least, _level(wanted, ranked), self.popularity)
        own_middle, own_spread = _level(found, ranked)
        scale = torch.where(own_spread > 1e-6, spread / own_spread.clamp(min=1e-6), 1.0)
        return torch.stack([scale, middle - scale * own_middle])

    def beside(self, vectors: torch.Tensor, calibration: torch.Tensor) -> torch.Tensor:
        """(items, width) → (items, width + text + 1); those of training have nothing beside them."""
        mean = self._mean(vectors, self.vectors, calibration)
        return torch.where(self.unseen > 0, mean, F.pad(vectors, (0, mean.shape[1] - vectors.shape[1])))

    def beside_new(self, vectors: torch.Tensor, texts: torch.Tensor, calibration: torch.Tensor) -> torch.Tensor:
        """The same of items that are none of the dataset's, with their texts (new, text)."""
        return self._mean(vectors, self._whitened(texts), calibration)

    def _mean(self, vectors: torch.Tensor, texts: torch.Tensor, calibration: torch.Tensor) -> torch.Tensor:
        """(items, width) and (items, text) → (items, width + text + 1)."""
        scale, shift = calibration
        both = torch.cat([vectors, texts], dim=-1) * (scale / (1 + self.weight))
        return torch.cat([both, shift.to(both.dtype).expand(len(both), 1)], dim=-1)

    def _whitened(self, texts: torch.Tensor) -> torch.Tensor:
        whitened = torch.from_numpy(self.whitening.apply(texts.cpu().numpy())).to(texts.device)
        return F.normalize(whitened, dim=-1)

    def queries(
        self, own: torch.Tensor, temperature: float, histories: torch.Tensor, begins: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Puts beside each query what its history reads like.

        Args:
            own: (batch, width).
            temperature: The model's, which `own` is divided by already.
            histories: (batch, seq) ids, 0 for none; or (total,), one history after the other.
            begins: (batch,) where each begins, of the latter.

        Returns:
            (batch, width + text + 1).
        """
        bag = F.embedding_bag(histories, self.vectors, begins, mode="sum", padding_idx=0)  # (batch, text)
        texts = F.normalize(bag, dim=-1) * (self.weight / temperature)
        return torch.cat([own, texts, torch.ones_like(own[:, :1])], dim=-1)


def _level(scores: torch.Tensor, ranked: torch.Tensor) -> torch.Tensor:
    """(2,) mean of the scores, (queries, items), that are `ranked`, and their standard deviation within a query."""
    counts = ranked.sum(dim=1, keepdim=True)  # (queries, 1)
    middles = (scores * ranked).sum(dim=1, keepdim=True) / counts.clamp(min=1)  # (queries, 1)
    variance = ((scores - middles).square() * ranked).sum() / counts.sum()
    return torch.stack([(scores * ranked).sum() / counts.sum(), variance.sqrt()])
