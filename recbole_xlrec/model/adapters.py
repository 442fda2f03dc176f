"""Adapters: from the text encoder's vectors to the width of a model."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from recbole_xlrec.errors import ConfigError

#: What the key ``adapter`` may say; `none` is no text at all.
ADAPTERS = ("none", "linear", "mlp", "moe")


def make_adapter(kind: str, text: int, width: int, experts: int) -> nn.Module:
    """Builds an adapter.

    Args:
        kind: One of `ADAPTERS` but `none`.
        text: Width of the text vectors.
        width: Width of the model.
        experts: Experts of `moe`.

    Raises:
        ConfigError: For another kind, or fewer than one expert.
    """
    if kind == "linear":
        return nn.Linear(text, width, bias=False)
    if kind == "mlp":
        return nn.Sequential(nn.Linear(text, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
    if kind == "moe":
        return MixtureOfExperts(text, width, experts)
    raise ConfigError(f"adapter is one of {', '.join(ADAPTERS)}; found {kind!r}")


class MixtureOfExperts(nn.Module):
    """Parametric whitening by several experts (Hou et al., KDD 2022, "UniSRec", sections 2.2.1 and 2.2.2).

    Each expert moves a vector by a learnt mean and maps it; a softmax over the experts, noisy in training so that none
    is left out, weighs them.

    Args:
        text: Width of the text vectors.
        width: Width of the model.
        experts: How many, from 1 on.

    Raises:
        ConfigError: For fewer than one expert.
    """

    def __init__(self, text: int, width: int, experts: int) -> None:
        super().__init__()
        if experts < 1:
            raise ConfigError(f"adapter_experts: from 1 on, found {experts}")
        self.means = nn.Parameter(torch.zeros(experts, text))
        self.maps = nn.Parameter(torch.randn(experts, text, width) * 0.02)
        self.gate, self.noise = nn.Linear(text, experts, bias=False), nn.Linear(text, experts, bias=False)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """(items, text) → (items, width)."""
        logits = self.gate(vectors)  # (items, experts)
        if self.training:
            logits = logits + torch.randn_like(logits) * F.softplus(self.noise(vectors))
        # (x - mean) map = x map - mean map, which needs no (items, experts, text)
        offsets = torch.einsum("et,etw->ew", self.means, self.maps)
        mapped = torch.einsum("nt,etw->enw", vectors, self.maps) - offsets[:, None]  # (experts, items, width)
        return torch.einsum("ne,enw->nw", logits.softmax(dim=-1), mapped)
