"""The joint run that a fine-tuning begins with: a finished one, with its model, of the same data and vectors."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from recbole.utils.argument_list import dataset_arguments, evaluation_arguments, general_arguments, training_arguments

from recbole_xlrec.bridge.checkpoint import config_values
from recbole_xlrec.bridge.run_folder import CONFIG, ENVIRONMENT, METRICS, MODEL, NO_IDENTITY, read_metrics
from recbole_xlrec.data.files import file_hash
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.errors import ConfigError, DataError, sample

logger = logging.getLogger(__name__)

#: Keys of `overall.yaml` that change neither the rows and vectors nor the model; every other one must be the same.
FREE = frozenset(
    {
        *("data_path", "run_path", "rerun", "keep_model", "ranking_k", "lazy_sequences", "candidates"),
        *("language_alpha", "encoder_batch_size"),
        *("finetune_from", "finetune_language", "finetune_freeze", "finetune_rate"),
    }
)


class Source(NamedTuple):
    """A finished run.

    Attributes:
        folder: Its folder.
        model_sha256: Of its model file.
    """

    folder: Path
    model_sha256: str

    @property
    def model_file(self) -> Path:
        """Its model."""
        return self.folder / MODEL


def read_source(folder: Path, settings: Any, hashes: Mapping[str, str]) -> Source:
    """Reads a run, and compares it with the configuration.

    Args:
        folder: Its folder.
        settings: The configuration of the fine-tuning.
        hashes: SHA-256 of the data files and of the encoder, now.

    Raises:
        ConfigError: If it is of another model, dataset, encoder, protocol or split.
        DataError: If it has not finished, has no model, or is of other data.
    """
    if not (folder / METRICS).is_file():
        raise DataError(
            f"finetune_from: {folder} holds no finished run: there is no {METRICS}. Give the folder that the joint "
            "run was `written to`"
        )
    made = read_metrics(folder)
    for key in ("model", "dataset"):
        if made.get(key) != settings[key]:
            raise ConfigError(
                f"finetune_from: {folder} is a run of the {key} {made.get(key)}, not of {settings[key]}; fine-tune it "
                f"with --{key}={made.get(key)}"
            )
    if not (folder / MODEL).is_file():
        raise DataError(
            f"finetune_from: {folder} has no {MODEL}: it was made with keep_model: False. Make it again with "
            "keep_model: True and rerun: True"
        )
    _compare_settings(folder, settings)
    _compare_data(folder, hashes)
    return Source(folder, file_hash(folder / MODEL))


def _compare_settings(folder: Path, settings: Any) -> None:
    then, now = read_yaml(folder / CONFIG), config_values(settings.final_config_dict)
    other = [key for key in then if then[key] != now.get(key, then[key])]
    must = [key for key in other if key in dataset_arguments and key not in FREE]  # ours are among them: `register`
    if _split(then) != _split(now):
        must.append("eval_args")
    drawn = (then["eval_args"]["order"], then.get("protocol")) != ("TO", "joint")
    if "seed" in other and drawn:  # the split, or what the protocol keeps out, is drawn by it
        must.append("seed")
    if must:
        found = "; ".join(f"{key}: {then[key]!r} there, {now[key]!r} here" for key in must)
        raise ConfigError(
            f"finetune_from: {folder} was made with other settings, and its weights or its split would not fit: "
            f"{found}. Give the settings of the joint run"
        )
    ignored = {*general_arguments, *training_arguments, *evaluation_arguments, *NO_IDENTITY, *FREE}
    changed = [key for key in other if key not in ignored]
    if changed:
        logger.warning("%s differ from those of the joint run %s", ", ".join(changed), folder)


def _split(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: values["eval_args"][key] for key in ("split", "order", "group_by")}


def _compare_data(folder: Path, hashes: Mapping[str, str]) -> None:
    path = folder / ENVIRONMENT
    try:
        then = json.loads(path.read_text(encoding="utf-8"))["data_sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read as what the joint run was made with: {error!r}") from error
    changed = sorted(name for name in {*then, *hashes} if then.get(name) != hashes.get(name))
    if changed:
        raise DataError(
            f"finetune_from: {folder} was made with other data; these files have changed, come or gone: "
            f"{sample(changed)}. Make the joint run again on the data as they are now"
        )
