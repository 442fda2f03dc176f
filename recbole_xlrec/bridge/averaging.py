"""Averaged weights: what is validated, kept and tested is the running mean of the weights over training steps.

Polyak and Juditsky (1992), with an exponential decay as in Tarvainen and Valpola (NIPS 2017, "Mean teachers"): it evens
out the noise between epochs, by which early stopping would choose. Training goes on from the weights as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from recbole_xlrec.errors import ConfigError


class WeightAverage:
    """The running mean of the parameters that an optimizer steps.

    Args:
        decay: Share of the mean that a step keeps, at least 0 and below 1; the first n steps keep (1 + n) / (10 + n).
        parameters: Those to average.

    Raises:
        ConfigError: For a decay out of range.
    """

    def __init__(self, decay: float, parameters: Iterable[torch.nn.Parameter]) -> None:
        if not 0 < decay < 1:
            raise ConfigError(f"weight_average is a decay from 0 (off) to below 1, as 0.99; found {decay}")
        self.decay, self.steps = decay, 0
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self.means = [parameter.detach().clone() for parameter in self.parameters]
        self.raw: list[torch.Tensor] | None = None
        self._optimizer: Any = None

    def follow(self, optimizer: Any) -> None:
        """Takes every step of an optimizer into the mean; the one that is followed already is not followed twice."""
        if optimizer is not self._optimizer:
            optimizer.register_step_post_hook(self._update)
            self._optimizer = optimizer

    @torch.no_grad()
    def _update(self, *_: Any) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.means, [parameter.detach() for parameter in self.parameters], 1 - decay)

    @torch.no_grad()
    def show(self) -> None:
        """Gives the model the mean."""
        self.raw = [parameter.detach().clone() for parameter in self.parameters]
        for parameter, mean in zip(self.parameters, self.means, strict=True):
            parameter.copy_(mean)

    @torch.no_grad()
    def hide(self) -> None:
        """Gives the model its own weights back, where it has the mean."""
        if self.raw is not None:
            for parameter, raw in zip(self.parameters, self.raw, strict=True):
                parameter.copy_(raw)
        self.raw = None
