"""Fine-tuning per language: a joint run's model goes on training on the users of some languages alone.

The model is built on the joint run's training part, so that texts, vectors, whitening and graphs stay as they were.
Only the rows that are trained, validated and tested are those of the languages. The joint weights are the first
candidate of early stopping: fine-tuning never makes the validation score worse.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from recbole.utils import ModelType
from torch import nn

from recbole_xlrec.bridge.finetune_source import Source, read_source
from recbole_xlrec.bridge.language_rows import LanguageRows
from recbole_xlrec.bridge.model_file import load_model
from recbole_xlrec.errors import ConfigError, sample

logger = logging.getLogger(__name__)


def fine_tuning(settings: Any, hashes: Mapping[str, str]) -> FineTuning | None:
    """The fine-tuning that a configuration asks for, or None; everything that needs no dataset is checked.

    Args:
        settings: The configuration.
        hashes: SHA-256 of the data files and of the encoder.

    Raises:
        ConfigError: If the model, the keys or the joint run's settings do not fit.
        DataError: If the folder holds no finished run with a model, or one of other data.
    """
    if settings["finetune_from"] is None:
        return None
    _check_trained(settings)
    return FineTuning(settings, read_source(Path(str(settings["finetune_from"])).expanduser(), settings, hashes))


class FineTuning:
    """One fine-tuning, in the order of its methods.

    Args:
        settings: The configuration.
        source: The joint run.

    Attributes:
        identity: What of the joint run makes this run another one.
    """

    def __init__(self, settings: Any, source: Source) -> None:
        self.settings, self.source = settings, source
        self.languages: list[str] = settings["finetune_language"]
        self.identity = {"finetune_from": f"{source.folder.name} {source.model_sha256}"}
        self._frozen: list[str] = []
        self._before: dict[str, float] = {}

    def rows(self, dataset: Any) -> LanguageRows:
        """The dataset, whose split keeps the rows of the languages."""
        return LanguageRows(dataset, self.languages)

    def prepare(self, model: nn.Module) -> None:
        """Gives the model the joint weights, freezes parameters, and lowers the learning rate.

        Raises:
            DataError: If the weights do not fit the model.
            ConfigError: If an entry of ``finetune_freeze`` is of no use, or nothing is left to train.
        """
        load_model(model, self.source.model_file, device=str(self.settings["device"]))
        self._frozen = freeze(model, self.settings["finetune_freeze"])
        self.settings["learning_rate"] *= self.settings["finetune_rate"]
        logger.info("fine-tuning %s on %s", self.source.folder, ", ".join(self.languages))

    def begin(self, trainer: Any, train_data: Any, valid_data: Any) -> None:
        """Evaluates the joint weights, and makes them what each epoch must beat."""
        trainer.eval_collector.data_collect(train_data)
        score, result = trainer._valid_epoch(valid_data, show_progress=self.settings["show_progress"])
        trainer.best_valid_result = result
        trainer._save_checkpoint(-1, verbose=False)
        # RecBole takes an equal score for a better one; equal to the joint weights' is not better
        trainer.best_valid_score = np.nextafter(score, np.inf if trainer.valid_metric_bigger else -np.inf)
        self._before = {name: float(value) for name, value in result.items()}
        logger.info("%s of the joint weights: %s", self.settings["valid_metric"], score)

    def report(self, valid: Mapping[str, float]) -> dict[str, Any]:
        """What ``metrics.json`` says of it.

        Args:
            valid: Validation metrics of the weights that are kept.
        """
        metric = self.settings["valid_metric"].lower()
        return {
            "from": self.source.folder.name,
            "model_sha256": self.source.model_sha256,
            "languages": self.languages,
            "frozen": self._frozen,
            "learning_rate": self.settings["learning_rate"],
            "valid_metric": metric,
            "valid_before": self._before,
            "improved": valid[metric] != self._before[metric],
        }


def freeze(model: nn.Module, patterns: Any) -> list[str]:
    """Takes parameters out of training, and returns their names.

    Args:
        model: Any.
        patterns: Regular expressions, each matched from the beginning of a parameter's name; so a prefix is one.

    Raises:
        ConfigError: If a pattern matches no parameter, or none is left to train.
    """
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    frozen: set[str] = set()
    for pattern in patterns:
        found = {name for name in trained if re.match(pattern, name)}
        if not found:
            raise ConfigError(
                f"finetune_freeze: {pattern!r} matches no parameter; there are {sample(trained, len(trained))}"
            )
        frozen |= found
    if len(frozen) == len(trained):
        raise ConfigError(f"finetune_freeze: {sample(patterns)} leave nothing to train; take fewer")
    for name in frozen:
        trained[name].requires_grad_(False)
    return sorted(frozen)


def _check_trained(settings: Any) -> None:
    if settings["MODEL_TYPE"] in (ModelType.TRADITIONAL, ModelType.DECISIONTREE):
        raise ConfigError(
            f"finetune_from: {settings['model']} is not trained by gradients, so there is nothing to fine-tune; train "
            "it on one language with protocol: single"
        )
    if settings["train_stage"] not in (None, "finetune"):
        raise ConfigError(
            f"finetune_from: train_stage {settings['train_stage']!r} of {settings['model']} is not validated; take "
            "train_stage: finetune"
        )
    if settings["eval_step"] < 1:
        raise ConfigError(f"finetune_from needs validation: eval_step 1 or more, found {settings['eval_step']}")
