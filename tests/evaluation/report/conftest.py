"""Finished runs: real ones on the toy set, and small ones written by hand whose numbers can be worked out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import recbole_xlrec.bridge  # noqa: F401  the shims, before RecBole is imported
from recbole_xlrec.bridge.experiment import run
from recbole_xlrec.evaluation.by_language import by_language, overall
from recbole_xlrec.evaluation.context import Context, save_context
from recbole_xlrec.ranking.ranking import Ranking, save_ranking

BAD = "<script>alert(1)</script>"
USERS = {"u1": "de", "u2": "de", "u3": "en", "u4": "en"}
TARGETS = {"u1": "a", "u2": "b", "u3": "c", "u4": "a"}
ITEMS = {"a": "de", "b": "de", "c": "en", "d": "en"}
COUNTS = [7, 2, 1, 0]
PERFECT = {user: [target, "d"] for user, target in TARGETS.items()}
SETTINGS = {
    "protocol": "joint",
    "protocol_language": None,
    "eval_args": {"split": {"LS": "valid_and_test"}},
    "candidates": "all",
    "valid_metric": "NDCG@2",
    "data_path": "data/hand",
    "run_path": "runs",
}


@pytest.fixture(scope="session")
def toy_runs(tmp_path_factory: pytest.TempPathFactory, copy_toy: Callable[[Path], Path]) -> Path:
    """`data` and `runs`: three models with two seeds, one trained over epochs, and two runs of one language."""
    folder = tmp_path_factory.mktemp("report")
    copy_toy(folder / "data")
    base = {"data_path": str(folder / "data"), "run_path": str(folder / "runs"), "show_progress": False}
    config_file = Path(__file__).parents[3] / "dataset_configs" / "toy.yaml"
    arguments, sys.argv = sys.argv, ["/bin/recbole-xlrec", "--model=X", "--name=a b"]
    try:
        for model in ("Pop", "XLProfile", "XLEASE"):
            for seed in (2020, 2021):
                run(model, "toy", [config_file], {**base, "seed": seed})
        run("BPR", "toy", [config_file], {**base, "seed": 2020, "epochs": 3})
        for language in ("de", "en"):
            single = {"protocol": "single", "protocol_language": language, "seed": 2020}
            run("XLEASE", "toy", [config_file], {**base, **single})
    finally:
        sys.argv = arguments
    return folder


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run folder below ``tmp_path / "runs"`` with the lists of the four users, and returns it."""

    def write(
        model: str,
        lists: Mapping[str, list[str]] | None = None,
        seed: int = 2020,
        dataset: str = "hand",
        targets: Mapping[str, str] = TARGETS,
        measured: Mapping[str, float] | None = None,
        inter: str = "1",
        languages: Mapping[str, str] = USERS,
        **settings: Any,
    ) -> Path:
        config = {**SETTINGS, "dataset": dataset, "model": model, "seed": seed, **settings}
        name = f"joint-{seed}-{len(list(tmp_path.rglob('config.yaml'))):08x}"
        folder = tmp_path / "runs" / dataset / model / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        ranking = ranking_of(lists or PERFECT, targets, languages)
        save_ranking(ranking, folder / "ranking.npz")
        save_context(context_of(ranking), folder / "context.npz")
        test = overall(ranking, ["ndcg", "recall"], [1, 2])
        metrics = {
            "test": test if measured is None else dict(measured),
            "test_by_language": by_language(ranking, ["ndcg", "recall"], [1, 2]) if measured is None else {},
            "seconds": {"data": 0.0, "encode": 0.5, "fit": 1.5, "evaluate": 0.0},
            "peak_memory_mb": 100.0,
        }
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
        environment = {"python": "3.11", "packages": {"torch": "2"}, "data_sha256": {f"{dataset}.inter": inter}}
        environment["command"] = ["/bin/recbole-xlrec", f"--model={model}", "--name=a b"]
        (folder / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
        return folder

    return write


def ranking_of(
    lists: Mapping[str, list[str]], targets: Mapping[str, str], languages: Mapping[str, str] = USERS
) -> Ranking:
    """The ranking of these lists."""
    users = list(lists)
    return Ranking.of(
        np.array(users),
        np.array([lists[user] for user in users]),
        np.tile(np.array([2.0, 1.0], dtype=np.float32), (len(users), 1)),
        np.array([[targets[user]] for user in users]),
        np.array([languages[user] for user in users]),
    )


def context_of(ranking: Ranking) -> Context:
    """Everybody has consumed d, then c."""
    queries = len(ranking.query_ids)
    return Context(
        np.array(list(ITEMS)),
        np.array(list(ITEMS.values())),
        np.array(COUNTS),
        2 * np.arange(queries + 1),
        np.tile(np.array([3, 2], dtype=np.int32), queries),
    )


@pytest.fixture
def write_manifest(tmp_path: Path) -> Callable[..., Path]:
    """Writes the manifest of the benchmark `hand`, and returns its folder."""

    def write(*entries: Mapping[str, Any], suite: str = "hand", **head: Any) -> Path:
        folder = tmp_path / "runs" / "benchmarks" / suite
        folder.mkdir(parents=True, exist_ok=True)
        runs = [{**ENTRY, **entry} for entry in entries]
        text = json.dumps({"suite": suite, "description": "By hand.", "metrics": ["ndcg@2"], "runs": runs, **head})
        (folder / "manifest.json").write_text(text, encoding="utf-8")
        return folder

    return write


ENTRY = {
    "dataset": "hand",
    "row": "A",
    "model": "A",
    "protocol": "joint",
    "seed": 2020,
    "trial": None,
    "overrides": {},
    "status": "finished",
    "folder": None,
    "log": "log.txt",
    "message": None,
    "command": "recbole-xlrec --model=A",
}
