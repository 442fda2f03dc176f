"""Joint training over languages, the same for every trained model; plain tensors in, one loss out.

What a model's own loss gets besides, each part off by default:

* weights of the languages;
* an InfoNCE loss that draws editions of one work together, and items of different languages that the same users consume
  (van den Oord et al. 2018; across languages, Chi et al., NAACL 2021, "InfoXLM");
* a classifier of the item's language whose gradient is reversed, so that item vectors tell less of it (Ganin et al.,
  JMLR 2016; across languages, Chen et al., TACL 2018);
* the loss once more with item vectors moved a little in the direction that hurts most (Miyato et al., ICLR 2017,
  "FGM").

Sampling by language is the trainer's (`bridge/balance`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.data.columns import ITEM, USER
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.pairs import Pairs, consumed_pairs, edition_pairs
from recbole_xlrec.model.works import work_names

#: From item ids (chosen,), or None for all, to item vectors (chosen, width).
Encode = Callable[[torch.Tensor | None], torch.Tensor]
#: From the item vectors of a batch (chosen, width) to the model's own loss.
Recommend = Callable[[torch.Tensor], torch.Tensor]


class JointTraining(nn.Module):
    """The parts of the loss that know of languages.

    Args:
        config: The keys of ``properties/joint.yaml``.
        dataset: The training part.
        width: Of the item vectors.

    Raises:
        ConfigError: If an option needs languages or works that the dataset has not.
    """

    languages: torch.Tensor | None
    weights: torch.Tensor | None

    def __init__(self, config: Any, dataset: Any, width: int) -> None:
        super().__init__()
        aligned = {"align_works": config["align_works"], "align_consumed": config["align_consumed"]}
        self.adversarial, self.epsilon = config["adversarial_weight"], config["fgm_epsilon"]
        strengths = {**aligned, "adversarial_weight": self.adversarial, "fgm_epsilon": self.epsilon}
        for name, strength in strengths.items():
            if strength < 0:
                raise ConfigError(f"{name}: 0 or more, found {strength}")
        self.batch, self.temperature = config["align_batch"], config["align_temperature"]
        self.alignments = {name: weight for name, weight in aligned.items() if weight}
        for name in self.alignments:
            self.register_buffer(name, torch.from_numpy(_PAIRS[name](dataset)), persistent=False)  # (pairs, 2)
        codes = torch.from_numpy(_item_languages(dataset, "adversarial_weight")) if self.adversarial else None
        self.register_buffer("languages", codes, persistent=False)  # (items,)
        self.classifier = nn.Linear(width, int(codes.max()) + 1) if codes is not None else None
        weights, self.by_user = _row_weights(config["language_weights"], dataset)
        self.register_buffer("weights", weights, persistent=False)  # (users,) or (items,)

    def target_weights(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor | None:
        """(rows,) users and targets → (rows,) weights of their languages; None where all weigh alike."""
        return None if self.weights is None else self.weights[users if self.by_user else items]

    def forward(
        self, recommend: Recommend, vectors: torch.Tensor, encode: Encode, items: torch.Tensor | None
    ) -> torch.Tensor:
        """The whole loss.

        Args:
            recommend: The model's own loss of a batch, given its item vectors.
            vectors: (chosen, width) item vectors of the batch.
            encode: Vectors of any items.
            items: (chosen,) whose vectors they are; None for the whole catalogue.
        """
        loss = recommend(vectors)
        if self.epsilon:
            loss = loss + recommend(vectors + worst_step(loss, vectors, self.epsilon))
        for name, weight in self.alignments.items():
            loss = loss + weight * self._align(getattr(self, name), encode)
        if self.classifier is not None and self.languages is not None:
            codes = self.languages if items is None else self.languages[items]  # (chosen,)
            guesses = self.classifier(ReversedGradient.apply(F.normalize(vectors, dim=-1)))  # (chosen, languages)
            loss = loss + self.adversarial * F.cross_entropy(guesses, codes, ignore_index=0)
        return loss

    def _align(self, pairs: torch.Tensor, encode: Encode) -> torch.Tensor:
        drawn = torch.randint(len(pairs), (min(self.batch, len(pairs)),), device=pairs.device)
        items = pairs[drawn].T.flatten()  # (2 · batch,)
        left, right = F.normalize(encode(items), dim=-1).chunk(2)  # (batch, width) each
        left_ids, right_ids = items.chunk(2)
        return info_nce(left, right, left_ids, right_ids, self.temperature)


class ReversedGradient(torch.autograd.Function):
    """The identity, whose gradient has the other sign (Ganin et al. 2016, section 3.2)."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        """Values as they are."""
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient turned round."""
        return -gradient


def worst_step(loss: torch.Tensor, vectors: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The step of length `epsilon` of each vector that raises the loss most, to first order; no gradient flows into it.

    Args:
        loss: A scalar that depends on `vectors`.
        vectors: (chosen, width).
        epsilon: Length, relative to the mean length of the vectors.

    Returns:
        (chosen, width).
    """
    return worst_steps(loss, [vectors], epsilon)[0]


def worst_steps(loss: torch.Tensor, parts: Sequence[torch.Tensor], epsilon: float) -> list[torch.Tensor]:
    """As `worst_step`, of several sets of vectors by one backward pass; each has its own mean length."""
    gradients = torch.autograd.grad(loss, list(parts), retain_graph=True)
    lengths = [epsilon * vectors.detach().norm(dim=-1).mean() for vectors in parts]
    return [
        length * F.normalize(gradient.detach(), dim=-1) for length, gradient in zip(lengths, gradients, strict=True)
    ]


def info_nce(
    left: torch.Tensor, right: torch.Tensor, left_ids: torch.Tensor, right_ids: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Symmetric InfoNCE of pairs in a batch, whose other members are the negatives.

    Args:
        left: (pairs, width), of length 1.
        right: (pairs, width), of length 1.
        left_ids: (pairs,) items; a pair with one of whose items a row shares is no negative of that row.
        right_ids: (pairs,).
        temperature: Cosines are divided by it.
    """
    scores = left @ right.T / temperature  # (pairs, pairs)
    alike = (left_ids[:, None] == left_ids) | (right_ids[:, None] == right_ids)  # (pairs, pairs)
    alike.fill_diagonal_(False)
    scores = scores.masked_fill(alike, torch.finfo(scores.dtype).min / 2)
    own = torch.arange(len(left), device=left.device)
    return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2


def _item_languages(dataset: Any, key: str) -> NDArray[np.int64]:
    return dataset.needed_languages(key, of=(USER, ITEM)).items


def _editions(dataset: Any) -> Pairs:
    languages = _item_languages(dataset, "align_works")
    pairs = edition_pairs(work_names(dataset), languages)
    return _some(pairs, "align_works", "no two items of different languages have one work_id")


def _co_consumed(dataset: Any) -> Pairs:
    languages = _item_languages(dataset, "align_consumed")
    pairs = consumed_pairs(dataset.histories(), languages)
    return _some(pairs, "align_consumed", "no two items of different languages share two users in training")


_PAIRS: dict[str, Callable[[Any], Pairs]] = {"align_works": _editions, "align_consumed": _co_consumed}


def _some(pairs: Pairs, key: str, found: str) -> Pairs:
    if not len(pairs):
        raise ConfigError(f"{key} has nothing to align: {found}. Set it to 0")
    return pairs


def _row_weights(chosen: Mapping[str, float] | None, dataset: Any) -> tuple[torch.Tensor | None, bool]:
    """(users,) or (items,) weights, and whether they are the users'."""
    if not chosen:
        return None, True
    index = dataset.needed_languages("language_weights")
    weights = np.ones(len(index.names), dtype=np.float32)
    for tag, weight in chosen.items():
        if not weight > 0:
            raise ConfigError(f"language_weights: {tag}: {weight!r} is no number above 0")
        weights[index.code(tag)] = weight
    return torch.from_numpy(weights[index.users if index.by_user else index.items]), index.by_user
