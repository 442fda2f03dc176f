"""A run folder made a model again: its configuration, its dataset and split as they were, and its weights."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from recbole.data import data_preparation
from recbole.utils import ModelType, get_model, init_seed

from recbole_xlrec.bridge.checkpoint import config_values
from recbole_xlrec.bridge.config import XLConfig, known_keys
from recbole_xlrec.bridge.experiment import build_dataset
from recbole_xlrec.bridge.model_file import load_model
from recbole_xlrec.bridge.ranking_context import histories_of
from recbole_xlrec.bridge.registry import register
from recbole_xlrec.bridge.run_folder import (
    CONFIG,
    CONTEXT,
    ENVIRONMENT,
    MODEL,
    NO_IDENTITY,
    RANKING,
    data_hashes,
    encoder_hash,
    read_metrics,
)
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.errors import ConfigError, DataError, sample
from recbole_xlrec.evaluation.context import load_context
from recbole_xlrec.ranking.ranking import load_ranking

logger = logging.getLogger(__name__)

#: What is found out anew, or says in how many processes a run was made: serving takes one.
_NOT_GIVEN = frozenset({"model", "dataset", "device", "nproc", "world_size", "ip", "port", "offset"})
_NOT_GIVEN |= {"MODEL_TYPE", "MODEL_INPUT_TYPE", "eval_type", "valid_metric_bigger"}
_NOT_GIVEN |= {"local_rank", "single_spec", "run_folder", "finetune_from", "finetune_language"}
_AGAIN = "Make the run again with this version (rerun: True)"


class LoadedRun(NamedTuple):
    """A run that can be asked.

    Attributes:
        folder: Its folder.
        settings: Its configuration.
        train: The training part, which the model was built on.
        valid: The validation part.
        test: The test part.
        model: With its weights, in evaluation mode.
    """

    folder: Path
    settings: Any
    train: Any
    valid: Any
    test: Any
    model: Any


def load_run(folder: Path, data_path: Path | None = None, use_gpu: bool = False) -> LoadedRun:
    """Loads a finished run.

    Args:
        folder: Its folder.
        data_path: Folder of the datasets; None for that of the run.
        use_gpu: Whether the model goes to a GPU.

    Raises:
        DataError: If the run has not finished, lacks a file, is of an older format, or the data are others by now.
        ConfigError: If its model ranks no catalogue.
    """
    read_metrics(folder)
    _check_files(folder)
    register()
    settings = _settings(folder, data_path, use_gpu)
    if settings["MODEL_TYPE"] in (ModelType.CONTEXT, ModelType.DECISIONTREE):
        raise ConfigError(
            f"{folder}: {settings['model']} predicts clicks on given items and ranks no catalogue; recommend takes "
            "runs of general and sequential models"
        )
    _check_data(folder, settings)
    with warnings.catch_warnings():
        for category in (FutureWarning, UserWarning):
            warnings.filterwarnings("ignore", category=category, module=r"recbole\.")
        init_seed(settings["seed"], settings["reproducibility"])
        train, valid, test = (part._dataset for part in data_preparation(settings, build_dataset(settings)))
        model = get_model(settings["model"])(settings, train).to(settings["device"])
    load_model(model, folder / MODEL, device=str(settings["device"]))
    run = LoadedRun(folder, settings, train, valid, test, model.eval())
    _check_split(run)
    return run


def _check_files(folder: Path) -> None:
    absent = [name for name in (CONFIG, ENVIRONMENT) if not (folder / name).is_file()]
    if absent:
        raise DataError(f"{folder} lacks {', '.join(absent)}: it is no whole run folder. {_AGAIN}")
    if not (folder / RANKING).is_file():
        raise DataError(
            f"{folder} has no {RANKING}: its metrics rank nothing, or its test part was not looked at "
            "(evaluate_test: False). Make it again with ranking metrics and evaluate_test: True"
        )
    if not (folder / MODEL).is_file():
        raise DataError(f"{folder} has no {MODEL}: it was made with keep_model: False. Make it again with True")
    if not (folder / CONTEXT).is_file():
        raise DataError(f"{folder} is a run of an older format: it has no {CONTEXT}. {_AGAIN}")


def _settings(folder: Path, data_path: Path | None, use_gpu: bool) -> Any:
    saved = read_yaml(folder / CONFIG)
    absent = [key for key in ("model", "dataset", "data_path") if key not in saved]
    if absent:
        raise DataError(f"{folder / CONFIG} does not say {', '.join(absent)}: it is broken. {_AGAIN}")
    known = known_keys() - _NOT_GIVEN
    given = {key: value for key, value in saved.items() if key in known}
    if (given.get("train_neg_sample_args") or {}).get("distribution") == "none":
        given["train_neg_sample_args"] = None  # what RecBole makes of None, and does not take back
    parent = Path(saved["data_path"]).parent if data_path is None else data_path
    given |= {"data_path": str(parent), "use_gpu": use_gpu, "show_progress": False}
    try:
        settings = XLConfig(saved["model"], saved["dataset"], None, given)
    except (ConfigError, ValueError, KeyError) as error:
        raise DataError(f"{folder / CONFIG} is not read by this version: {error}. {_AGAIN}") from error
    _check_settings(folder, saved, config_values(settings.final_config_dict))
    return settings


def _check_settings(folder: Path, saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    ignored = NO_IDENTITY | _NOT_GIVEN
    unlike = [key for key in saved if key not in ignored and (key not in now or saved[key] != now[key])]
    if unlike:
        found = "; ".join(f"{key}: {saved[key]!r} there, {now.get(key)!r} here" for key in unlike[:5])
        raise DataError(
            f"{folder} is a run of another format: {len(unlike)} settings are not understood as they were: {found}. "
            f"{_AGAIN}"
        )


def _check_data(folder: Path, settings: Any) -> None:
    path = folder / ENVIRONMENT
    try:
        then = dict(json.loads(path.read_text(encoding="utf-8"))["data_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} does not say what data the run was made with ({error!r}). {_AGAIN}") from error
    data = Path(settings["data_path"])
    if not data.is_dir():
        raise DataError(f"no dataset folder {data}, where the run read its data: name its parent as data_path")
    now = data_hashes(data, settings["dataset"], settings["additional_feat_suffix"] or ())
    now |= encoder_hash(settings["encoder"])
    changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    if changed:
        raise DataError(
            f"{folder} was made with other data; these files have changed, come or gone since: {sample(changed)}. "
            "Make the run again on the data as they are now, or put the old files back"
        )


def _check_split(run: LoadedRun) -> None:
    """Compares the split with what the run noted of it: another version may draw another one from the same seed."""
    ranking, context = load_ranking(run.folder / RANKING), load_context(run.folder / CONTEXT)
    same = np.array_equal(context.item_ids, run.train.item_ids[1:])
    if same:
        users = pd.Index(run.train.field2id_token[run.train.uid_field]).get_indexer(ranking.query_ids)  # (queries,)
        starts, items = histories_of(users, run.train, run.valid, run.test)
        same = np.array_equal(context.history_starts, starts) and np.array_equal(context.history_items, items - 1)
    if not same:
        raise DataError(
            f"{run.folder}: its items or its split do not come out as they were, though the data have not changed: "
            f"it was made with other versions ({ENVIRONMENT} names them). {_AGAIN}"
        )


def on_device(run: LoadedRun, values: Any) -> torch.Tensor:
    """An array as a tensor where the model is."""
    return torch.from_numpy(np.asarray(values)).to(run.settings["device"])
