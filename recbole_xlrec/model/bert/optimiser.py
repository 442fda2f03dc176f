"""How fast each part learns: layer by layer (Clark et al., ICLR 2020, "ELECTRA", appendix A), and step by step."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from torch import nn

from recbole_xlrec.errors import ConfigError

_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")
_EMBEDDING = re.compile(r"(?:^|\.)(?:\w*embed\w*|wte|wpe)\.")


def depths(names: Iterable[str], prefix: str) -> dict[str, int]:
    """How far below the head each parameter is: the head and what is after the layers 0, the top layer 1, and so on.

    Args:
        names: Of parameters.
        prefix: What the language model's begin with.

    Raises:
        ConfigError: No parameter of the language model is in a numbered layer.
    """
    names = list(names)
    inside = {name: name[len(prefix) :] for name in names if name.startswith(prefix)}
    layers = {name: int(found[1]) for name, rest in inside.items() if (found := _LAYER.search(rest))}
    if not layers:
        raise ConfigError("layer_decay: this language model's layers have no numbers that are known here. Set it to 1")
    count = 1 + max(layers.values())
    below = {name: count + 1 for name, rest in inside.items() if name not in layers and _EMBEDDING.search(rest)}
    return {name: count - layers[name] if name in layers else below.get(name, 0) for name in names}


def parameter_groups(
    model: nn.Module, prefix: str, rate: float, layer_decay: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Groups of trained parameters for an optimizer.

    Args:
        model: Whose parameters.
        prefix: What the names of the language model's begin with.
        rate: Of the head.
        layer_decay: Each layer learns at this share of the rate of the one above it.
        weight_decay: Of matrices; vectors have none.
    """
    trained = {name: weights for name, weights in model.named_parameters() if weights.requires_grad}
    everyone = [name for name, _ in model.named_parameters()]
    depth = depths(everyone, prefix) if layer_decay < 1 else dict.fromkeys(everyone, 0)
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, weights in trained.items():
        groups.setdefault((depth[name], weights.ndim > 1), []).append(weights)
    return [
        {"params": weights, "lr": rate * layer_decay**below, "weight_decay": weight_decay if matrix else 0.0}
        for (below, matrix), weights in groups.items()
    ]
