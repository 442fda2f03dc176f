"""One run: configuration → dataset → model → trainer → run folder, from RecBole's public pieces.

The same path for our models and RecBole's own, so that a comparison is one.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from recbole.data import data_preparation
from recbole.utils import ModelType, get_model, get_trainer, init_seed
from torch import nn

from recbole_xlrec.bridge.checkpoint import config_values
from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.dataset import xl_dataset
from recbole_xlrec.bridge.distributed import barrier, gather_ranking, global_rank, is_main
from recbole_xlrec.bridge.environment import PeakMemory, environment
from recbole_xlrec.bridge.finetune import FineTuning, fine_tuning
from recbole_xlrec.bridge.fusion import FusionTrainer
from recbole_xlrec.bridge.fusion_members import given_runs
from recbole_xlrec.bridge.model_file import save_model
from recbole_xlrec.bridge.ranking_context import ranking_context
from recbole_xlrec.bridge.registry import register
from recbole_xlrec.bridge.run_folder import (
    CHECKPOINT,
    CONFIG,
    CONTEXT,
    ENVIRONMENT,
    HISTORY,
    METRICS,
    MODEL,
    RANKING,
    VALID_RANKING,
    data_hashes,
    encoder_hash,
    partial_folder,
    read_metrics,
    run_name,
    write_json,
    writing,
)
from recbole_xlrec.bridge.trainer import xl_trainer
from recbole_xlrec.evaluation.by_language import by_language
from recbole_xlrec.evaluation.context import Context, save_context
from recbole_xlrec.evaluation.metrics import METRICS as RANKED_METRICS
from recbole_xlrec.ranking.ranking import Ranking, save_ranking

logger = logging.getLogger(__name__)

_FEW_TIES = 0.01  # a share of the lists that is not worth a word
_DATASETS = {ModelType.SEQUENTIAL: "SequentialDataset", ModelType.KNOWLEDGE: "KnowledgeBasedDataset"}


class Run(NamedTuple):
    """A finished run.

    Attributes:
        folder: Its folder.
        metrics: What its ``metrics.json`` says.
        fresh: False if it had been finished before and nothing was done.
    """

    folder: Path
    metrics: dict[str, Any]
    fresh: bool


def run(
    model: str | None = None,
    dataset: str | None = None,
    config_files: Sequence[str | Path] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Run:
    """Trains and evaluates a model, ours or RecBole's, and writes its run folder.

    A run that has finished is not repeated, unless ``rerun`` is set or a setting, the data or a version has changed.

    Args:
        model: Its name; or else the key ``model`` of a configuration.
        dataset: Its name; or else the key ``dataset``.
        config_files: RecBole YAML files, later ones first.
        config: Settings over those of the files.

    Raises:
        ConfigError: For an unknown model, key or value.
        DataError: If the dataset is not as it must be, or another process is writing the same run.
        EncoderError: If the text encoder cannot be loaded.
    """
    register()
    settings = XLConfig(model, dataset, config_files, config)
    hashes = {
        **data_hashes(Path(settings["data_path"]), settings["dataset"], settings["additional_feat_suffix"] or ()),
        **encoder_hash(settings["encoder"]),
        **(encoder_hash(settings["alignment"]) if settings["alignment"] else {}),
        **given_runs(settings),
    }
    tuning = fine_tuning(settings, hashes)
    name = run_name(settings.final_config_dict, {**hashes, **(tuning.identity if tuning else {})})
    folder = Path(settings["run_path"], settings["dataset"], settings["model"], name)
    if (folder / METRICS).is_file() and not settings["rerun"]:
        logger.info("finished before: %s (rerun: True repeats it)", folder)
        return Run(folder, read_metrics(folder), fresh=False)
    with writing(folder) if is_main(settings) else nullcontext(partial_folder(folder)) as partial:
        barrier(settings)  # the folder is there
        with _quiet_recbole():
            metrics = _run_into(partial, settings, hashes, tuning)
        barrier(settings)  # nobody reads it any more
    return Run(folder, metrics, fresh=True)


@contextmanager
def _quiet_recbole() -> Iterator[None]:
    """Silences RecBole's use of what pandas and torch will drop: once an epoch, and nothing a user can change."""
    with warnings.catch_warnings():
        for category in (FutureWarning, UserWarning):
            warnings.filterwarnings("ignore", category=category, module=r"recbole\.")
        yield


def build_dataset(settings: Any) -> Any:
    """The dataset of a configuration, decorated by `xl_dataset`."""
    import recbole.data.dataset as datasets

    named = getattr(datasets, f"{settings['model']}Dataset", None)
    base = named or getattr(datasets, _DATASETS.get(settings["MODEL_TYPE"], "Dataset"))
    return xl_dataset(base)(settings)


class _Stopwatch:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds = {"data": 0.0, "encode": 0.0, "fit": 0.0, "evaluate": 0.0}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] += time.perf_counter() - started


def _run_into(folder: Path, settings: Any, hashes: Mapping[str, str], tuning: FineTuning | None) -> dict[str, Any]:
    watch, memory = _Stopwatch(), PeakMemory()
    settings["run_folder"] = settings["checkpoint_dir"] = str(folder)
    if is_main(settings):
        _write_inputs(folder, settings, hashes)
    with watch("data"):
        init_seed(settings["seed"], settings["reproducibility"])
        dataset = build_dataset(settings)
        logger.info("%s", dataset)
        rows = tuning.rows(dataset) if tuning else dataset
        parts = data_preparation(settings, rows)
    with watch("fit"):
        model = _build_model(settings, rows.whole if tuning else parts[0]._dataset, tuning)
        trainer, valid = _fit(folder, settings, model, parts, tuning)
    with watch("evaluate"):
        test, ranking = _evaluate(trainer, parts[2], settings) if settings["evaluate_test"] else ({}, None)
        valid_ranking = _valid_ranking(trainer, parts[1], settings)
    trainer.tensorboard.close()  # its thread would go on writing after the folder has been renamed
    watch.seconds["encode"] = dataset.encode_seconds["encode"]
    watch.seconds["fit"] -= watch.seconds["encode"]
    metrics = {
        "dataset": settings["dataset"],
        "model": settings["model"],
        "protocol": settings["protocol"],
        "seed": settings["seed"],
        "valid": valid,
        "test": test,
        "test_by_language": _by_language(ranking, settings),
        "seconds": watch.seconds,
        "peak_memory_mb": memory.megabytes(),
    }
    if tuning:
        metrics["finetune"] = tuning.report(valid)
    if isinstance(trainer, FusionTrainer):
        metrics["fusion"] = trainer.fusion_report()
    if is_main(settings):
        context = None
        if ranking is not None:
            train = rows.whole if tuning else parts[0]._dataset
            context = ranking_context(ranking, train, parts[1]._dataset, parts[2]._dataset)
        _write_results(folder, settings, trainer, (ranking, context, valid_ranking), metrics)
    return metrics


def _build_model(settings: Any, dataset: Any, tuning: FineTuning | None) -> Any:
    init_seed(settings["seed"], settings["reproducibility"])
    model = get_model(settings["model"])(settings, dataset).to(settings["device"])
    if tuning:
        tuning.prepare(model)
    logger.info("%s", model)
    return model


def _fit(
    folder: Path, settings: Any, model: Any, parts: Sequence[Any], tuning: FineTuning | None
) -> tuple[Any, dict[str, float]]:
    if global_rank(settings):  # the same model everywhere, and other negative items
        init_seed(settings["seed"] + global_rank(settings), settings["reproducibility"])
    base = get_trainer(settings["MODEL_TYPE"], settings["model"])
    trainer = xl_trainer(base)(settings, model)
    trainer.history_path = folder / HISTORY if is_main(settings) else None
    trainer.saved_model_file = str(folder / CHECKPOINT)  # RecBole's name has the time in it: another in each process
    if tuning:
        tuning.begin(trainer, parts[0], parts[1])
    _, valid = trainer.fit(parts[0], parts[1], saved=True, show_progress=settings["show_progress"])
    barrier(settings)  # the best weights, which the first process writes, are there
    return trainer, {name: float(value) for name, value in (valid or {}).items()}


def _evaluate(trainer: Any, test_data: Any, settings: Any) -> tuple[dict[str, float], Ranking | None]:
    test, ranking = trainer.evaluate_with_ranking(
        test_data, settings["ranking_k"], load_best_model=True, show_progress=settings["show_progress"]
    )
    ranking = gather_ranking(ranking, settings)
    if ranking is not None and ranking.tied().mean() > _FEW_TIES:
        logger.warning(
            "%d of %d lists begin with ten items of one score. They stand in the order of their ids, which is that of "
            "the file: it may say how popular they are, and metrics then measure that",
            ranking.tied().sum(),
            len(ranking.query_ids),
        )
    return {name: float(value) for name, value in test.items()}, ranking


def _valid_ranking(trainer: Any, valid_data: Any, settings: Any) -> Ranking | None:
    """The validation lists of the best model; it is loaded already where test has been looked at."""
    if not settings["save_valid_ranking"] or not valid_data:
        return None
    _, ranking = trainer.evaluate_with_ranking(
        valid_data,
        settings["ranking_k"],
        load_best_model=not settings["evaluate_test"],
        show_progress=settings["show_progress"],
    )
    return gather_ranking(ranking, settings)


def _by_language(ranking: Ranking | None, settings: Any) -> dict[str, dict[str, float]]:
    if ranking is None:
        return {}
    names = [name for name in settings["metrics"] if name.lower() in RANKED_METRICS]
    return by_language(ranking, names, settings["topk"])


def _write_inputs(folder: Path, settings: Any, hashes: Mapping[str, str]) -> None:
    values = config_values(settings.final_config_dict)
    text = yaml.safe_dump(values, allow_unicode=True, sort_keys=True)
    (folder / CONFIG).write_text(text, encoding="utf-8")
    write_json(folder / ENVIRONMENT, {**environment(), "data_sha256": dict(hashes)})


def _write_results(
    folder: Path,
    settings: Any,
    trainer: Any,
    found: tuple[Ranking | None, Context | None, Ranking | None],
    metrics: Mapping[str, Any],
) -> None:
    ranking, context, valid_ranking = found
    if ranking is not None:
        save_ranking(ranking, folder / RANKING)
    if context is not None:
        save_context(context, folder / CONTEXT)
    if valid_ranking is not None:
        save_ranking(valid_ranking, folder / VALID_RANKING)
    # A tree model is no module; it lies there already, in its library's own format.
    # Without a test, the best weights have not been loaded: the model is that of the last epoch.
    if settings["keep_model"] and settings["evaluate_test"] and isinstance(trainer.model, nn.Module):
        save_model(trainer.model, folder / MODEL)
    (folder / CHECKPOINT).unlink(missing_ok=True)  # the same weights once more, with the optimizer
    write_json(folder / METRICS, metrics)
