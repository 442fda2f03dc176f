"""Languages' metrics inside RecBole: their values, early stopping by them, and datasets without languages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.evaluator import register as recbole_register
from recbole.evaluator.collector import DataStruct

from recbole_xlrec.bridge import distributed
from recbole_xlrec.bridge.experiment import Run, run
from recbole_xlrec.bridge.language_metrics import F1, LANGUAGE, LANGUAGE_METRICS, register_metrics
from recbole_xlrec.errors import ConfigError

CONFIG = {"topk": [1, 2], "metric_decimal_place": 6}
NAMES = ["NDCG", "Recall", "F1", *LANGUAGE_METRICS]
CE = {"train_neg_sample_args": None, "hidden_size": 8, "n_heads": 1, "n_layers": 1, "inner_size": 8}


def _struct(**more: torch.Tensor) -> DataStruct:
    """Three queries of two languages, k = 2: hits at both ranks, and the number of targets."""
    struct = DataStruct()
    struct.set("rec.topk", torch.tensor([[1, 0, 1], [0, 0, 2], [0, 1, 1]]))
    for name, value in more.items():
        struct.set(name.replace("_", "."), value)
    return struct


def test_values_by_hand() -> None:
    struct = _struct(rec_language=torch.tensor([3, 3, 5]))
    second = 1 / np.log2(3)
    expected = {
        "MacroRecall": {"macrorecall@1": 0.25, "macrorecall@2": 0.75},
        "WorstRecall": {"worstrecall@1": 0.0, "worstrecall@2": 0.5},
        "MacroNDCG": {"macrondcg@1": 0.25, "macrondcg@2": (0.5 + second) / 2},
        "WorstNDCG": {"worstndcg@1": 0.0, "worstndcg@2": 0.5},
        "LanguageGap": {"languagegap@1": 0.5, "languagegap@2": second - 0.5},
    }
    for name, values in expected.items():
        assert LANGUAGE_METRICS[name](CONFIG).calculate_metric(struct) == pytest.approx(values, abs=1e-6)
    f1 = {"f1@1": 1 / 3, "f1@2": (2 / 3 + 0 + 2 / 3) / 3}
    assert F1(CONFIG).calculate_metric(struct) == pytest.approx(f1, abs=1e-6)


def test_only_the_gap_is_better_when_it_is_smaller() -> None:
    register_metrics()
    register_metrics()
    assert recbole_register.smaller_metrics.count("languagegap") == 1
    assert not {name.lower() for name in NAMES} - {"languagegap"} & set(recbole_register.smaller_metrics)


def test_a_name_that_somebody_else_has_taken_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recbole_register.metrics_dict, "worstndcg", object)
    with pytest.raises(ConfigError, match="RecBole already has metrics named WorstNDCG"):
        register_metrics()


def test_in_recboles_own_trainer_the_error_says_how_to_run() -> None:
    with pytest.raises(ConfigError, match=r"WorstNDCG needs the language .* run through recbole-xlrec"):
        LANGUAGE_METRICS["WorstNDCG"](CONFIG).calculate_metric(_struct())


# --- through a run ---------------------------------------------------------------------------------------------------


def _run(model: str, toy: Path, toy_config: Path, **config: Any) -> Run:
    quiet = {"data_path": str(toy), "show_progress": False, "state": "ERROR", "metric_decimal_place": 8}
    chosen = {"metrics": NAMES, "valid_metric": "WorstNDCG@5", "epochs": 1, "eval_batch_size": 64}
    return run(model, "toy", [toy_config], {**quiet, **chosen, **config})


def _history(found: Run) -> list[dict[str, float]]:
    return [json.loads(line)["valid"] for line in (found.folder / "history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("BPR", {}),
        ("BPR", {"eval_args": {"mode": "uni5"}, "candidates": "all"}),
        ("ItemKNN", {}),
        ("SASRec", CE),
        ("XLAlphaRec", {"encoder_dimension": 8}),
        ("XLSASRec", CE),
    ],
    ids=["scores", "sampled", "no gradients", "sequential", "by lists", "ours, sequential"],
)
def test_in_every_kind_of_evaluation_they_are_those_of_the_saved_ranking(
    model: str, config: dict[str, Any], toy: Path, toy_config: Path
) -> None:
    metrics = _run(model, toy, toy_config, **config).metrics
    for k in (1, 5):
        ndcg = [values[f"ndcg@{k}"] for values in metrics["test_by_language"].values()]
        recall = [values[f"recall@{k}"] for values in metrics["test_by_language"].values()]
        assert len(ndcg) == 2
        expected = {
            **{"macrondcg": np.mean(ndcg), "worstndcg": min(ndcg), "languagegap": max(ndcg) - min(ndcg)},
            **{"macrorecall": np.mean(recall), "worstrecall": min(recall)},
        }
        found = {name: metrics["test"][f"{name}@{k}"] for name in expected}
        assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("metric", "best"), [("WorstNDCG@5", max), ("LanguageGap@5", min)])
def test_early_stopping_keeps_the_epoch_that_is_best_by_them(
    metric: str, best: Callable[..., float], toy: Path, toy_config: Path
) -> None:
    config = {"epochs": 12, "learning_rate": 0.05, "stopping_step": 3, "seed": 7}
    found = _run("BPR", toy, toy_config, valid_metric=metric, **config)
    values = [line[metric.lower()] for line in _history(found)]
    assert len(set(values)) > 2
    assert found.metrics["valid"][metric.lower()] == best(values)
    assert found.metrics["valid"] in _history(found)
    last_best = max(place for place, value in enumerate(values) if value == best(values))
    assert len(values) == min(12, last_best + 1 + 3 + 1)


def test_without_the_users_languages_training_does_not_begin(toy: Path, toy_config: Path) -> None:
    (toy / "toy" / "toy.user").unlink()
    with pytest.raises(ConfigError, match=r"metrics: MacroNDCG, WorstNDCG needs .* add a column language to toy\.user"):
        _run("BPR", toy, toy_config, candidates="all", metrics=["NDCG", "MacroNDCG", "WorstNDCG"])
    assert not list(Path("runs").rglob("history.jsonl"))


def test_languages_of_all_processes_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        **{"metrics": ["WorstNDCG"], "eval_args": {"mode": "full"}, "topk": [2], "device": "cpu", "world_size": 2},
    }
    collector = distributed.GatheringCollector(settings)
    collector._languages = torch.tensor([0, 1, 2])

    def all_gather(parts: list[Any], part: Any) -> None:
        parts[:] = [part, part]

    monkeypatch.setattr(torch.distributed, "all_gather_object", all_gather)
    for _ in range(2):  # what one evaluation collects is gone in the next
        collector.collect_users(torch.tensor([2, 1]))
        collector.data_struct.set("rec.topk", torch.tensor([[1, 0, 1], [0, 0, 1]]))
        assert collector.get_data_struct().get(LANGUAGE).tolist() == [2, 1, 2, 1]
