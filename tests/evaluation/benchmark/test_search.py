"""Searches: each row has the same number of trials, chosen on validation of one seed; interrupted, they go on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from recbole_xlrec.errors import ConfigError

GRID = "learning_rate choice [0.5, 0.02, 0.01, 0.3]"
RATES = "learning_rate loguniform -8,0\nn_layers quniform 1,3,1"


def _trials(bench: Any, row: str) -> list[dict[str, Any]]:
    return [entry for entry in bench.entries if entry["row"] == row and entry["trial"] is not None]


def _finals(bench: Any, row: str) -> list[dict[str, Any]]:
    return [entry for entry in bench.entries if entry["row"] == row and entry["trial"] is None]


def test_the_best_on_validation_is_taken_and_the_test_split_is_not_looked_at(bench: Any) -> None:
    """The test split would say .5; validation says .01."""
    assert bench.run([{"model": "BPR", "space": GRID}], seeds=[7, 8])
    trials = _trials(bench, "BPR")
    assert [entry["overrides"]["learning_rate"] for entry in trials] == [0.5, 0.02, 0.01, 0.3]
    assert [entry["trial"] for entry in trials] == [0, 1, 2, 3]
    assert all(entry["overrides"]["evaluate_test"] is False and entry["seed"] == 7 for entry in trials)
    assert all(json.loads(Path(entry["folder"], "metrics.json").read_text())["test"] == {} for entry in trials)
    finals = _finals(bench, "BPR")
    assert [(entry["seed"], entry["overrides"]["learning_rate"]) for entry in finals] == [(7, 0.01), (8, 0.01)]
    assert all("evaluate_test" not in entry["overrides"] for entry in finals)
    assert "| BPR | **0.0400** |" in bench.tables


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_every_row_has_the_same_number_of_trials_and_none_twice(bench: Any, sampler: str) -> None:
    rows = [{"model": "BPR", "space": RATES}, {"model": "LightGCN", "space": RATES}, {"model": "Pop"}]
    assert bench.run(rows, {"jobs": 2}, search={"trials": 6, "sampler": sampler})
    for row in ("BPR", "LightGCN"):
        drawn = [entry["overrides"] for entry in _trials(bench, row)]
        assert len({(config["learning_rate"], config["n_layers"]) for config in drawn}) == 6
        assert all(3e-4 < config["learning_rate"] < 1 and config["n_layers"] in (1, 2, 3) for config in drawn)
        best = max(_trials(bench, row), key=lambda entry: entry["valid"])["overrides"]["learning_rate"]
        assert {entry["overrides"]["learning_rate"] for entry in _finals(bench, row)} == {best}
    assert not _trials(bench, "Pop")


def test_an_interrupted_search_goes_on_as_if_it_had_not_been(bench: Any) -> None:
    rows, search = [{"model": "BPR", "space": RATES}], {"trials": 6}
    assert bench.run(rows, search=search)
    whole = bench.entries
    path = bench.runs / "benchmarks" / "test" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["runs"] = manifest["runs"][:4]
    manifest["runs"][3].update(status="running", folder=None, valid=None)
    path.write_text(json.dumps(manifest))
    made = len(bench.calls("make"))
    assert bench.run(rows, search=search)
    assert bench.entries == whole
    assert len(bench.calls("make")) == made == 7


def test_later_trials_learn_from_earlier_ones_and_random_ones_do_not(bench: Any) -> None:
    drawn = {}
    for sampler, worst in (("tpe", False), ("tpe", True), ("random", False), ("random", True)):
        config = {"valid_metric": "Recall@5"} if worst else {}  # the fake worker has none: no trial has a result
        bench.run([{"model": "BPR", "space": RATES, "config": config}], search={"trials": 4, "sampler": sampler})
        drawn[sampler, worst] = [entry["overrides"]["learning_rate"] for entry in _trials(bench, "BPR")]
    assert drawn["tpe", False][:2] == drawn["tpe", True][:2] == drawn["random", False][:2]
    assert drawn["tpe", False][2:] != drawn["tpe", True][2:]
    assert drawn["random", False] == drawn["random", True]


def test_trials_that_fail_count_and_are_never_chosen(bench: Any) -> None:
    rows = [{"model": "BPR", "space": "epochs choice [901, 1]"}, {"model": "LightGCN", "space": "epochs choice [901]"}]
    assert not bench.run(rows)
    assert [entry["status"] for entry in _trials(bench, "BPR")] == ["failed", "finished"]
    assert [entry["overrides"]["epochs"] for entry in _finals(bench, "BPR")] == [1]
    assert not _finals(bench, "LightGCN")
    assert "no result of LightGCN" in bench.printed


def test_a_trial_of_one_language_at_a_time_is_all_its_runs(bench: Any) -> None:
    row = {"model": "BPR", "space": "learning_rate choice [0.3, 0.01]", "one_language_at_a_time": True}
    assert bench.run([row])
    assert [entry["trial"] for entry in _trials(bench, "BPR")] == [0, 0, 1, 1]
    assert [entry["overrides"]["learning_rate"] for entry in _finals(bench, "BPR")] == [0.01, 0.01]


def test_a_file_of_recboles_is_read_beside_the_suite(bench: Any) -> None:
    (bench.folder / "hyper.test").write_text("learning_rate choice [0.1,0.01]\n")
    assert bench.run([{"model": "BPR", "space": "hyper.test"}])
    assert len(_trials(bench, "BPR")) == 2


def test_without_optuna_the_error_is_the_command_to_type(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"needs optuna: pip install 'recbole_xlrec\[tune\]'"):
        bench.run([{"model": "BPR", "space": RATES}])
    assert not bench.calls("start")
    assert bench.run([{"model": "BPR", "space": GRID}])  # every combination is tried
