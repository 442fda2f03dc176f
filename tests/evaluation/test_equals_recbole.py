"""The same numbers as RecBole's evaluator for models of every kind, and as ranx."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recbole_xlrec.bridge  # noqa: F401  the shims, before RecBole is imported
from recbole_xlrec.bridge.experiment import Run, run
from recbole_xlrec.evaluation.by_language import per_query
from recbole_xlrec.evaluation.context import load_context
from recbole_xlrec.evaluation.judge import judge
from recbole_xlrec.ranking.ranking import load_ranking

METRICS, TOPK = ["NDCG", "Recall", "MRR", "Hit", "MAP", "Precision"], [1, 3, 5]
CE = {"train_neg_sample_args": None, "hidden_size": 8, "n_heads": 1, "n_layers": 1, "inner_size": 8}
#: Several targets and several languages of targets a query, where the model allows it.
SHARES = {"eval_args": {"split": {"RS": [0.5, 0.1, 0.4]}, "order": "RO"}, "candidates": "all"}
QUICK: dict[str, dict[str, Any]] = {"BPR": SHARES, "ItemKNN": SHARES, "SASRec": CE, "XLEASE": SHARES}
MORE: dict[str, dict[str, Any]] = {
    **{"Pop": SHARES, "EASE": SHARES, "LightGCN": SHARES, "NeuMF": SHARES, "SLIMElastic": SHARES},
    "FM": {**SHARES, "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1}},
    **{"MultiVAE": {**SHARES, "train_neg_sample_args": None, "latent_dimension": 4}},
    **{"GRU4Rec": {**CE, "embedding_size": 8}, "NARM": {**CE, "embedding_size": 8}},
    **{"XLProfile": SHARES, "XLAlphaRec": {**SHARES, "encoder_dimension": 8}, "XLSASRec": CE},
}


def _run(model: str, toy: Path, toy_config: Path, config: dict[str, Any]) -> Run:
    quiet = {"data_path": str(toy), "show_progress": False, "state": "ERROR", "epochs": 1, "metric_decimal_place": 9}
    return run(model, "toy", [toy_config], {**quiet, "metrics": METRICS, "topk": TOPK, **config})


@pytest.fixture(autouse=True)
def _own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest"])


@pytest.mark.parametrize(
    ("model", "config"),
    [*QUICK.items(), *(pytest.param(*case, marks=pytest.mark.slow, id=case[0]) for case in MORE.items())],
)
def test_judged_metrics_are_those_of_recboles_evaluator(
    model: str, config: dict[str, Any], toy: Path, toy_config: Path
) -> None:
    found = _run(model, toy, toy_config, config)
    ranking = load_ranking(found.folder / "ranking.npz")
    if config is not CE and "hidden_size" not in config:
        assert ranking.target_counts().max() > 1
    judged = judge(ranking, load_context(found.folder / "context.npz"), METRICS, TOPK)
    assert judged["overall"] == pytest.approx(found.metrics["test"], abs=1e-6)
    assert sum(judged["overall"].values()) > 0
    for language, values in found.metrics["test_by_language"].items():
        assert judged["by_user_language"][language] == pytest.approx(values, abs=1e-9)


@pytest.mark.slow  # it compiles itself first
def test_ranx_agrees_on_ndcg_mrr_map_and_recall(toy: Path, toy_config: Path) -> None:
    ranx = pytest.importorskip("ranx")
    found = _run("BPR", toy, toy_config, {**SHARES, "epochs": 30, "learning_rate": 0.01})
    ranking = load_ranking(found.folder / "ranking.npz")
    targets, lists = {}, {}
    for query, items, wanted in zip(ranking.query_ids, ranking.item_ids, ranking.target_ids, strict=True):
        listed = [str(item) for item in items if item]
        targets[str(query)] = {str(item): 1 for item in wanted if item}
        lists[str(query)] = {item: float(len(listed) - place) for place, item in enumerate(listed)}
    k = 5
    values = per_query(ranking, ["ndcg", "mrr", "map", "recall"], [k])
    names = [f"ndcg@{k}", f"mrr@{k}", f"map@{k}", f"recall@{k}"]
    qrels = ranx.Qrels(targets)
    scored = ranx.evaluate(qrels, ranx.Run(lists), names, return_mean=False)
    order = np.argsort(ranking.query_ids)  # ranx sorts the queries
    for name in names:
        ours = values[name][order]
        if name.startswith("map"):  # ranx divides by all targets, RecBole and we by those that fit into the list
            counts = ranking.target_counts()[order]
            ours = ours * np.minimum(counts, k) / counts
        np.testing.assert_allclose(scored[name], ours, atol=1e-6)
        assert ours.any()
