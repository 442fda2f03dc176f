"""A small linear projector a language, trained by InfoNCE in both directions, from the closed-form maps on.

InfoNCE over the translations of a batch: van den Oord et al. 2018; both directions as in Radford et al. 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.text.align.methods import Affine, Points, cca
from recbole_xlrec.text.align.parallel import LEAST_PAIRS

if TYPE_CHECKING:
    import torch


class Settings(NamedTuple):
    """How the projector is trained.

    Attributes:
        steps: Batches, each of one pair of languages.
        batch_size: Groups a batch: the other translations of the batch are the negatives.
        temperature: Cosines are divided by it.
        rate: Learning rate of Adam, as a share of the root mean square of each map's weights.
    """

    steps: int = 200
    batch_size: int = 512
    temperature: float = 0.05
    rate: float = 0.01


def contrastive(
    points: Mapping[str, Points],
    groups: int,
    dimension: int,
    shrinkage: float,
    seed: int,
    settings: Settings = Settings(),  # noqa: B008 - a tuple of numbers cannot be changed
) -> dict[str, Affine]:
    """Trains one linear map a language so that a text is nearest to its translation; arguments as of `cca`."""
    import torch

    start = cca(points, groups, dimension, shrinkage, seed)
    weights = {tag: torch.tensor(found.map, dtype=torch.float32, requires_grad=True) for tag, found in start.items()}
    means = {tag: found.vectors.mean(axis=0) for tag, found in points.items()}
    rows = {tag: torch.tensor(found.vectors - means[tag], dtype=torch.float32) for tag, found in points.items()}
    optimiser = torch.optim.Adam(
        [{"params": [w], "lr": settings.rate * float(w.detach().square().mean().sqrt())} for w in weights.values()]
    )
    shared = _shared(points)
    random = np.random.default_rng(seed)
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group.setdefault("initial", group["lr"])
            group["lr"] = group["initial"] * (1 - step / settings.steps)
        (first, second), (ours, theirs) = shared[int(random.integers(len(shared)))]
        batch = random.permutation(len(ours))[: settings.batch_size]
        left, right = rows[first][ours[batch]] @ weights[first], rows[second][theirs[batch]] @ weights[second]
        optimiser.zero_grad()
        _info_nce(left, right, settings.temperature).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    fitted = {tag: weight.detach().double().numpy() for tag, weight in weights.items()}
    return {tag: Affine(fitted[tag], means[tag] @ fitted[tag]) for tag in fitted}


def _shared(points: Mapping[str, Points]) -> list[tuple[tuple[str, str], tuple[NDArray[np.int64], NDArray[np.int64]]]]:
    """Each two languages that share enough groups, with the rows of the shared ones."""
    found = []
    tags = sorted(points)
    for place, first in enumerate(tags):
        for second in tags[place + 1 :]:
            _, ours, theirs = np.intersect1d(
                points[first].groups, points[second].groups, assume_unique=True, return_indices=True
            )
            if len(ours) >= LEAST_PAIRS:
                found.append(((first, second), (ours, theirs)))
    return found


def _info_nce(left: torch.Tensor, right: torch.Tensor, temperature: float) -> torch.Tensor:
    """(batch, out) each; the mean of both directions."""
    import torch
    from torch.nn import functional

    logits = functional.normalize(left, dim=1) @ functional.normalize(right, dim=1).T / temperature  # (batch, batch)
    own = torch.arange(len(logits))
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
