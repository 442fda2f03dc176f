"""RecBole's own quick start runs with our models and its own, whether ray is there or not."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import recbole_xlrec

Stock = Callable[..., dict[str, Any]]
QUIET = {"show_progress": False, "state": "WARNING"}
HAS_RAY = find_spec("ray") is not None
with_ray = pytest.mark.skipif(
    not HAS_RAY, reason='ray is not installed: pip install "ray[tune]<=2.6.3" "setuptools<81"'
)
without_ray = pytest.mark.skipif(HAS_RAY, reason="ray is installed here")


def run_xlease(stock: Stock, toy: Path, toy_config: Path) -> dict[str, Any]:
    return stock("XLEASE", "toy", {**QUIET, "data_path": str(toy)}, [str(toy_config)], register=True)


def run_bpr(stock: Stock, dataset: str, data_path: Path) -> dict[str, Any]:
    return stock("BPR", dataset, {**QUIET, "epochs": 1, "data_path": str(data_path)}, register=True)


def test_stock_quick_start_runs_xlease_and_reloads_the_best_model(stock: Stock, toy: Path, toy_config: Path) -> None:
    seen = run_xlease(stock, toy, toy_config)
    assert seen["reloaded"] == ["XLTraditionalTrainer"]
    assert seen["test"]["hit@1"] == 1.0


def test_stock_quick_start_and_our_runner_agree_on_xlease(
    stock: Stock, toy: Path, toy_config: Path, tmp_path: Path
) -> None:
    ours = recbole_xlrec.run(
        "XLEASE", "toy", [toy_config], {**QUIET, "data_path": str(toy), "run_path": str(tmp_path / "runs")}
    )
    assert run_xlease(stock, toy, toy_config)["test"] == pytest.approx(ours.metrics["test"], abs=1e-4)


@without_ray
def test_stock_quick_start_runs_bpr_without_ray_and_reloads_the_best_model(stock: Stock, ml_100k_cut: Path) -> None:
    seen = run_bpr(stock, "cut", ml_100k_cut)
    assert seen["ray"] is None
    assert not seen["tune_is_ray's"]
    assert seen["reloaded"] == ["Trainer"]
    assert 0 < seen["test"]["recall@10"] < 1


@pytest.mark.slow
def test_stock_quick_start_runs_bpr_on_ml_100k(stock: Stock, ml100k: Path) -> None:
    assert run_bpr(stock, "ml-100k", ml100k)["reloaded"] == ["Trainer"]


@pytest.mark.slow
@with_ray
def test_stock_quick_start_sees_the_real_ray_where_it_is_installed(
    stock: Stock, toy: Path, toy_config: Path, ml_100k_cut: Path
) -> None:
    for seen in (run_xlease(stock, toy, toy_config), run_bpr(stock, "cut", ml_100k_cut)):
        assert seen["ray"]
        assert seen["tune_is_ray's"]
        assert seen["reloaded"]
