"""RecBole's trainer for models that tune a language model: rates by layer and by step, and batches that fit the GPU."""

from __future__ import annotations

import logging
from typing import Any

import torch
from recbole.trainer import Trainer

from recbole_xlrec.errors import ConfigError

logger = logging.getLogger(__name__)


class TunedTrainer(Trainer):
    """Asks the model for groups of parameters, and tells it of each step.

    A step's rows are halved, and halved again, as often as the GPU's memory is too small for them; the gradients of the
    parts add up to that of the whole, so that the step is the same. With several processes (``nproc``) this is left
    out, as gradients are exchanged in the backward pass.

    The model has `parameter_groups`, `begin_training` and `after_step`; see `XLBERT`.
    """

    def __init__(self, config: Any, model: Any) -> None:
        super().__init__(config, model)
        self.parts = 1
        self._schedule: Any = None

    def _build_optimizer(self, **kwargs: Any) -> Any:
        rate = kwargs.get("learning_rate", self.learning_rate)
        weight_decay = kwargs.get("weight_decay", self.weight_decay)
        groups = self.model.parameter_groups(rate, weight_decay)
        return super()._build_optimizer(**{**kwargs, "params": groups})

    def fit(self, train_data: Any, *args: Any, **kwargs: Any) -> Any:
        """RecBole's ``fit``; the learning rate rises and falls over all epochs."""
        from transformers import get_linear_schedule_with_warmup

        total = max(1, len(train_data) * self.epochs)
        warm = round(self.config["warmup_share"] * total)
        self._schedule = get_linear_schedule_with_warmup(self.optimizer, warm, total)
        self.model.begin_training(total)
        self.optimizer.register_step_post_hook(self._after_step)
        return super().fit(train_data, *args, **kwargs)

    def _after_step(self, *_: Any) -> None:
        self.model.after_step()
        self._schedule.step()

    def _train_epoch(self, train_data: Any, epoch_idx: int, loss_func: Any = None, show_progress: bool = False) -> Any:
        loss_func = loss_func or (self._loss if self.config["single_spec"] else None)
        return super()._train_epoch(train_data, epoch_idx, loss_func, show_progress)

    def _loss(self, interaction: Any) -> torch.Tensor:
        """The loss of a batch, whose gradients are there already; what comes back has none to give."""
        while True:
            try:
                return self._in_parts(interaction).requires_grad_()
            except torch.OutOfMemoryError as error:
                if self.parts >= len(interaction):
                    raise ConfigError(
                        "the GPU's memory is too small for one row of a batch. Set gradient_checkpointing: True or "
                        "tuning: lora, or lower max_tokens"
                    ) from error
                self.parts = min(2 * self.parts, len(interaction))
            self.optimizer.zero_grad()
            torch.cuda.empty_cache()
            at_once = -(-len(interaction) // self.parts)
            logger.warning(
                "out of GPU memory: %d rows at once from now on; a step is still of %d", at_once, len(interaction)
            )

    def _in_parts(self, interaction: Any) -> torch.Tensor:
        rows = len(interaction)
        total = torch.zeros((), device=self.device)
        size = -(-rows // self.parts)
        for start in range(0, rows, size):
            part = interaction[start : start + size]
            loss = self.model.calculate_loss(part) * (len(part) / rows)
            with torch.autocast(device_type=self.device.type, enabled=False):
                loss.backward()
            total += loss.detach()
        return total
