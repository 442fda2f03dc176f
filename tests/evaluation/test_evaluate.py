"""`recbole-xlrec evaluate` on the folder of a run."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import recbole_xlrec.bridge  # noqa: F401  the shims, before RecBole is imported
from recbole_xlrec.bridge.experiment import run
from recbole_xlrec.cli import app
from recbole_xlrec.errors import ConfigError, DataError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, copy_toy: Callable[[Path], Path]) -> Path:
    """A run folder."""
    folder = tmp_path_factory.mktemp("finished")
    config = {"data_path": str(copy_toy(folder / "data")), "run_path": str(folder / "runs"), "show_progress": False}
    arguments, sys.argv = sys.argv, ["pytest"]
    try:
        return run("XLEASE", "toy", [ROOT / "dataset_configs" / "toy.yaml"], {**config, "candidates": "all"}).folder
    finally:
        sys.argv = arguments


def _evaluate(*arguments: object) -> str:
    found = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["evaluate", *map(str, arguments)], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def test_the_tables_show_the_runs_own_metrics(finished: Path) -> None:
    shown = _evaluate(finished)
    ndcg = json.loads((finished / "metrics.json").read_text())["test"]["ndcg@5"]
    assert f"{ndcg:.4f}" in shown
    for title in (
        "toy · XLEASE · joint",
        "Users of each language",
        "to item language: ndcg@5",
        "Evenness",
        "novelty@5",
    ):
        assert title in shown
    assert "similarity" not in shown


def test_json_has_what_was_asked_for_and_vectors_add_to_it(finished: Path, tmp_path: Path) -> None:
    _evaluate(finished, "--metrics", "f1,MAP", "--topk", "2,15", "--vectors", "ngram", "--json", tmp_path / "out.json")
    found = json.loads((tmp_path / "out.json").read_text())
    assert list(found) == [str(finished)]
    assert list(found[str(finished)]["overall"]) == ["f1@2", "f1@15", "map@2", "map@15"]
    assert found[str(finished)]["beyond"]["cross_language_similarity@15"] is not None
    assert 0 < found[str(finished)]["beyond"]["intra_list_diversity@15"] < 1


def test_what_cannot_be_evaluated_is_refused(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no finished run"):
        _evaluate(tmp_path)
    with pytest.raises(ConfigError, match="--topk five: write whole numbers"):
        _evaluate(finished, "--topk", "five")
    with pytest.raises(DataError, match=r"no dataset folder .*nowhere.toy.*--data-path"):
        _evaluate(finished, "--vectors", "ngram", "--data-path", tmp_path / "nowhere")
    old = shutil.copytree(finished, tmp_path / "old")
    (old / "context.npz").unlink()
    with pytest.raises(DataError, match="rerun: True"):
        _evaluate(old)
    (old / "ranking.npz").unlink()
    with pytest.raises(DataError, match=r"no ranking\.npz: value metrics .* rank nothing"):
        _evaluate(old)
