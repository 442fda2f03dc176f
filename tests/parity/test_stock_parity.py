"""Our runner gives what stock RecBole gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import recbole_xlrec

Results = dict[str, dict[str, Any]]
SETTINGS: dict[str, dict[str, Any]] = {
    "BPR": {},
    "LightGCN": {},
    "SASRec": {"MAX_ITEM_LIST_LENGTH": 10, "train_neg_sample_args": None},
}
COMMON = {
    "load_col": {"inter": ["user_id", "item_id", "rating", "timestamp"]},
    "epochs": 2,
    "seed": 2020,
    "metric_decimal_place": 12,
    "show_progress": False,
    "state": "WARNING",
}


@pytest.fixture(scope="module")
def stock_on_cut(ml_100k_cut: Path, stock: Callable[..., list[dict[str, Any]]]) -> Results:
    """What stock RecBole with only the compatibility shims makes of each model, on the cut."""
    return _stock_results(stock, "cut", ml_100k_cut)


@pytest.fixture(scope="module")
def stock_on_ml_100k(ml100k: Path, stock: Callable[..., list[dict[str, Any]]]) -> Results:
    """The same on the whole of ml-100k."""
    return _stock_results(stock, "ml-100k", ml100k)


def _stock_results(stock: Callable[..., list[dict[str, Any]]], dataset: str, data_path: Path) -> Results:
    jobs = [
        {"model": model, "dataset": dataset, "config_dict": {**COMMON, **settings, "data_path": str(data_path)}}
        for model, settings in SETTINGS.items()
    ]
    return dict(zip(SETTINGS, stock("shims", *jobs), strict=True))


def _our_test_metrics(model: str, dataset: str, data_path: Path) -> dict[str, float]:
    config = {**COMMON, **SETTINGS[model], "data_path": str(data_path), "run_path": "runs"}
    return recbole_xlrec.run(model, dataset, config=config).metrics["test"]


@pytest.mark.parametrize("model", SETTINGS)
def test_the_runner_and_stock_recbole_agree_on_a_cut(model: str, ml_100k_cut: Path, stock_on_cut: Results) -> None:
    assert _our_test_metrics(model, "cut", ml_100k_cut) == stock_on_cut[model]["test"]


@pytest.mark.slow
@pytest.mark.parametrize("model", SETTINGS)
def test_the_runner_and_stock_recbole_agree_on_ml_100k(model: str, ml100k: Path, stock_on_ml_100k: Results) -> None:
    assert _our_test_metrics(model, "ml-100k", ml100k) == stock_on_ml_100k[model]["test"]


@pytest.mark.parametrize("model", SETTINGS)
def test_counting_flops_draws_no_random_numbers_so_that_the_runner_may_leave_it_out(
    model: str, stock_on_cut: Results
) -> None:
    assert not stock_on_cut[model]["flops_draw_random_numbers"]
