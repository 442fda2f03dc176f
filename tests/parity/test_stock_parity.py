"""Our runner gives what stock RecBole gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import recbole_xlrec

SETTINGS: dict[str, dict[str, Any]] = {
    "BPR": {},
    "LightGCN": {},
    "SASRec": {"MAX_ITEM_LIST_LENGTH": 10, "train_neg_sample_args": None},
}
COMMON = {"epochs": 2, "seed": 2020, "metric_decimal_place": 12, "show_progress": False, "state": "WARNING"}


@pytest.mark.parametrize("model", SETTINGS)
def test_the_runner_and_stock_recbole_agree_on_a_cut(
    model: str, ml_100k_cut: Path, tmp_path: Path, stock: Callable[..., dict[str, Any]]
) -> None:
    _compare(model, "cut", ml_100k_cut, tmp_path, stock)


@pytest.mark.slow
@pytest.mark.parametrize("model", SETTINGS)
def test_the_runner_and_stock_recbole_agree_on_ml_100k(
    model: str, ml100k: Path, tmp_path: Path, stock: Callable[..., dict[str, Any]]
) -> None:
    _compare(model, "ml-100k", ml100k, tmp_path, stock)


def _compare(model: str, dataset: str, data_path: Path, tmp_path: Path, stock: Callable[..., dict[str, Any]]) -> None:
    config = {**COMMON, **SETTINGS[model], "data_path": str(data_path)}
    theirs = stock(model, dataset, config)
    ours = recbole_xlrec.run(model, dataset, config={**config, "run_path": str(tmp_path / "runs")})
    assert ours.metrics["test"] == theirs["test"]
    assert not theirs["flops_draw_random_numbers"]  # or else equal metrics would be luck
