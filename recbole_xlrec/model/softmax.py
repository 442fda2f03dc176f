"""The softmax over the catalogue, whole or over a sample; plain tensors and arguments.

Sampled softmax draws its candidates from two sources: the items of the batch, which come as often as they are
consumed, and items drawn uniformly. A candidate other than the target is divided by its chance of being one ("logQ",
Bengio and Senécal 2008; Yi et al., RecSys 2019); the target, which is always there, is not (Khrylchenko et al., RecSys
2025). Where we differ: each candidate stands once however often it was drawn, so that its chance is that of being drawn
at all.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.errors import ConfigError

LOSSES = ("auto", "full", "sampled", "gbce")
_LEAST_SHARE = -1 + 1e-6  # of a row that its target fills but for rounding


class Candidates(NamedTuple):
    """The items that a batch is about.

    Attributes:
        items: (chosen,) their ids, ascending; None for the whole catalogue.
        sampled: (negatives,) places in `items` of what was drawn uniformly; None where nothing was drawn.
        size: How many they are, the padding item, which stands first, among them.
    """

    items: torch.Tensor | None
    sampled: torch.Tensor | None
    size: int

    def places(self, items: torch.Tensor) -> torch.Tensor:
        """Ids, any shape, all of them among `items` → their places there."""
        return items if self.items is None else torch.searchsorted(self.items, items)

    def places_or_padding(self, items: torch.Tensor) -> torch.Tensor:
        """Any ids → their places there; the padding item's, 0, for those that are not there."""
        if self.items is None:
            return items
        places = torch.searchsorted(self.items, items).clamp(max=self.size - 1)
        return torch.where(self.items[places] == items, places, 0)

    def only(self, columns: torch.Tensor) -> Candidates:
        """Those at some places, (columns,), ascending and the padding item's among them."""
        items = columns if self.items is None else self.items[columns]  # (columns,)
        if self.sampled is None:
            return Candidates(items, None, len(items))
        places = torch.searchsorted(columns, self.sampled).clamp(max=len(columns) - 1)  # (negatives,)
        return Candidates(items, places[columns[places] == self.sampled], len(items))


class CatalogueSoftmax(nn.Module):
    """The loss of ranking a target first among the items that training knows.

    An item without an interaction in the training data is no negative: nothing says that nobody wants it, and a model
    that reads texts would learn not to recommend what reads like it.

    Args:
        loss: One of `LOSSES`; `auto` is `full` for up to `full_items` items and `sampled` beyond.
        counts: (items,) how often each item is consumed in training, the padding item first.
        full_items: See `loss`.
        negatives: Items drawn uniformly for a batch.
        calibration: Of gBCE, from 0 (plain negatives) to 1 (calibrated probabilities).

    Raises:
        ConfigError: For an unknown loss, or more negatives than items.
    """

    popularity: torch.Tensor
    known: torch.Tensor
    known_items: torch.Tensor

    def __init__(self, loss: str, counts: torch.Tensor, full_items: int, negatives: int, calibration: float) -> None:
        super().__init__()
        if loss not in LOSSES:
            raise ConfigError(f"loss is one of {', '.join(LOSSES)}; found {loss!r}")
        counts = counts.index_fill(0, torch.zeros(1, dtype=torch.long), 0)
        known = torch.nonzero(counts).flatten()  # (known,)
        self.count, self.negatives = len(known), negatives
        self.loss = ("full" if self.count <= full_items else "sampled") if loss == "auto" else loss
        if self.loss != "full" and not 1 <= negatives < self.count:
            raise ConfigError(f"negatives: {negatives}, from 1 to {self.count - 1}: training knows {self.count} items")
        if not 0 <= calibration <= 1:
            raise ConfigError(f"gbce_calibration: from 0 to 1, found {calibration}")
        popularity = counts.double() / counts.sum().clamp(min=1)  # (items,)
        for name, values in (("popularity", popularity), ("known", counts > 0), ("known_items", known)):
            self.register_buffer(name, values, persistent=False)
        self.power = gbce_power(negatives / self.count, calibration)

    @classmethod
    def from_config(cls, config: Any, dataset: Any) -> CatalogueSoftmax:
        """Reads `loss`, `full_softmax_items`, `negatives`, `gbce_calibration`, and counts the training part's items."""
        counts = torch.from_numpy(dataset.training_counts)
        sampling = (config["full_softmax_items"], config["negatives"], config["gbce_calibration"])
        return cls(config["loss"], counts, *sampling)

    def candidates(self, *used: torch.Tensor) -> Candidates:
        """Chooses the items of a batch: those `used`, ids of any shape, and known ones; all where the loss is full."""
        if self.loss == "full":
            return Candidates(None, None, len(self.known))
        drawn = self.known_items[torch.randint(self.count, (self.negatives,), device=used[0].device)]
        items = torch.unique(torch.cat([drawn.new_zeros(1), drawn, *(part.flatten() for part in used)]))
        return Candidates(items, torch.searchsorted(items, drawn), len(items))

    def forward(
        self,
        scores: torch.Tensor,
        targets: torch.Tensor,
        candidates: Candidates,
        draws: torch.Tensor | int,
    ) -> torch.Tensor:
        """The loss of each target, (rows,).

        Args:
            scores: (rows, chosen), of every candidate; those of items that training does not know are of no account.
            targets: (rows,) places of the targets among the candidates.
            candidates: Some of what `candidates` chose, or all.
            draws: Interactions of the batch, by which its items became candidates.
        """
        if self.loss == "gbce":
            return self._gbce(scores, targets, candidates)
        logits = self._logits(scores.float(), targets, candidates.items, draws)  # (rows, chosen)
        return F.cross_entropy(logits, targets, reduction="none")

    def shared(
        self,
        scores: torch.Tensor,
        rows: torch.Tensor,
        targets: torch.Tensor,
        candidates: Candidates,
        draws: torch.Tensor | int,
    ) -> torch.Tensor:
        """The loss of each target, as `forward` has it, where several share a row of scores; each is ranked for itself.

        Args:
            scores: (rows, chosen), of every candidate.
            rows: (targets,) row of each target.
            targets: (targets,) places of the targets among the candidates.
            candidates: Some of what `candidates` chose, or all.
            draws: Interactions of the batch.

        Returns:
            (targets,).
        """
        own = scores[rows, targets].float()  # (targets,)
        if self.loss == "gbce":
            return self._shared_gbce(scores, rows, targets, own, candidates)
        change, back = self._corrections(torch.float32, candidates.items, draws)
        whole = torch.logsumexp(scores.float() + change, dim=1)[rows]  # (targets,)
        if back is not None:  # of its own row, the target's score counts as it is
            share = torch.exp(own - whole) - torch.exp(own - back[targets] - whole)  # (targets,)
            whole = whole + torch.log1p(share.clamp(min=_LEAST_SHARE))
        return whole - own

    def _logits(
        self, scores: torch.Tensor, targets: torch.Tensor, items: torch.Tensor | None, draws: torch.Tensor | int
    ) -> torch.Tensor:
        change, back = self._corrections(scores.dtype, items, draws)
        # In place, and no gather of the scores: each table of this size takes as long as their product does.
        logits = scores + change  # (rows, chosen)
        return logits if back is None else logits.scatter_add_(1, targets[:, None], back[targets][:, None])

    def _corrections(
        self, dtype: torch.dtype, items: torch.Tensor | None, draws: torch.Tensor | int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(chosen,) what is added to every score, and (chosen,) what a target gets back; None if nothing."""
        known = self.known if items is None else self.known[items]  # (chosen,)
        change = torch.where(known, 0.0, torch.finfo(dtype).min / 2)  # (chosen,)
        if self.loss == "full":
            return change, None
        uniform = 1 - (1 - 1 / self.count) ** self.negatives  # drawn with replacement
        chances = log_chances(self.popularity[items], draws, uniform).to(dtype)  # (chosen,)
        return change - chances, chances

    def _gbce(self, scores: torch.Tensor, targets: torch.Tensor, candidates: Candidates) -> torch.Tensor:
        own = targets[:, None]  # (rows, 1)
        places = candidates.sampled
        if places is None:
            raise ConfigError("loss: gbce needs sampled candidates")
        negatives = scores[:, places].masked_fill(places == own, torch.finfo(scores.dtype).min / 2)  # (rows, negatives)
        return -self.power * F.logsigmoid(scores.gather(1, own)).squeeze(1) + F.softplus(negatives).sum(dim=1)

    def _shared_gbce(
        self,
        scores: torch.Tensor,
        rows: torch.Tensor,
        targets: torch.Tensor,
        own: torch.Tensor,
        candidates: Candidates,
    ) -> torch.Tensor:
        places = candidates.sampled
        if places is None:
            raise ConfigError("loss: gbce needs sampled candidates")
        times = torch.bincount(places, minlength=scores.shape[1])  # (chosen,) how often each was drawn
        negatives = F.softplus(scores[:, places].float()).sum(dim=1)[rows]  # (targets,)
        return -self.power * F.logsigmoid(own) + negatives - F.softplus(own) * times[targets]


def log_chances(popularity: torch.Tensor, draws: torch.Tensor | int, uniform: float) -> torch.Tensor:
    """Logarithm of the chance that an item is a candidate.

    Args:
        popularity: (items,) chance of each to be the item of one interaction.
        draws: Interactions of the batch.
        uniform: Chance of an item to be among those drawn uniformly.

    Returns:
        (items,), at most 0.
    """
    absent = draws * torch.log1p(-popularity.clamp(max=1 - 1e-9)) + math.log1p(-min(uniform, 1 - 1e-9))
    return torch.log(-torch.expm1(absent))


def gbce_power(rate: float, calibration: float) -> float:
    """The power of the target's probability in gBCE (Petrov and Macdonald, RecSys 2023, "gSASRec", equation 8).

    Args:
        rate: Negatives drawn over the size of the catalogue.
        calibration: From 0 to 1, the paper's t.
    """
    return rate * (calibration * (1 - 1 / rate) + 1 / rate)
