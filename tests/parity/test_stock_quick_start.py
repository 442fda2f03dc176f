"""RecBole's own quick start runs our models and its own, whether ray is there or not."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import recbole_xlrec

Results = dict[str, dict[str, Any]]
QUIET = {"show_progress": False, "state": "WARNING"}
HAS_RAY = find_spec("ray") is not None


@pytest.fixture(scope="module")
def quick_started(
    stock: Callable[..., list[dict[str, Any]]],
    ml_100k_cut: Path,
    copy_toy: Callable[[Path], Path],
    toy_config: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Results:
    """XLEASE on the toy set and BPR on the cut, by `register()` and stock `run_recbole`."""
    toy = copy_toy(tmp_path_factory.mktemp("toy"))
    ours = {
        "model": "XLEASE",
        "dataset": "toy",
        "config_file_list": [str(toy_config)],
        "config_dict": {**QUIET, "data_path": str(toy)},
    }
    theirs = {"model": "BPR", "dataset": "cut", "config_dict": {**QUIET, "epochs": 1, "data_path": str(ml_100k_cut)}}
    return dict(zip(("XLEASE", "BPR"), stock("register", ours, theirs), strict=True))


def test_stock_quick_start_runs_xlease_and_reloads_the_best_model(quick_started: Results) -> None:
    assert quick_started["XLEASE"]["reloaded"] == ["XLTraditionalTrainer"]
    assert quick_started["XLEASE"]["test"]["hit@1"] == 1.0


def test_stock_quick_start_runs_bpr_and_reloads_the_best_model(quick_started: Results) -> None:
    assert quick_started["BPR"]["reloaded"] == ["Trainer"]
    assert 0 < quick_started["BPR"]["test"]["recall@10"] < 1


def test_stock_quick_start_and_the_runner_agree_on_xlease(quick_started: Results, toy: Path, toy_config: Path) -> None:
    run = recbole_xlrec.run("XLEASE", "toy", [toy_config], {**QUIET, "data_path": str(toy), "run_path": "runs"})
    assert run.metrics["test"] == pytest.approx(quick_started["XLEASE"]["test"], abs=1e-4)


@pytest.mark.skipif(HAS_RAY, reason="ray is installed")
def test_stock_quick_start_does_without_ray_where_it_is_absent(quick_started: Results) -> None:
    for seen in quick_started.values():
        assert seen["ray"] is None
        assert not seen["real_tune"]


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RAY, reason="ray is not installed")
def test_stock_quick_start_sees_the_real_ray_where_it_is_installed(quick_started: Results) -> None:
    for seen in quick_started.values():
        assert seen["ray"]
        assert seen["real_tune"]
