from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbole_xlrec.bridge import experiment
from recbole_xlrec.bridge.experiment import Run, run
from recbole_xlrec.bridge.run_folder import writing
from recbole_xlrec.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def _data(toy: Path) -> Path:
    """The toy set at `data/toy` in the working directory."""
    return toy


def _run(toy_config: Path, model: str = "Pop", **config: Any) -> Run:
    return run(model, "toy", [toy_config], {"data_path": "data", "show_progress": False, **config})


def _files(folder: Path = Path()) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_run_folder_holds_what_others_read(toy_config: Path) -> None:
    found = _run(toy_config, "XLProfile")
    assert found.fresh
    assert found.folder.parent == Path("runs/toy/XLProfile")
    assert found.folder.name.startswith("joint-2020-")
    names = {name for name in _files(found.folder) if not name.startswith("tensorboard")}
    assert names == {
        *("config.yaml", "environment.json", "history.jsonl", "log.txt", "metrics.json"),
        *("model.safetensors", "ranking.npz", "context.npz"),
    }


def test_metrics_json_has_the_keys_of_the_contract(toy_config: Path) -> None:
    found = _run(toy_config)
    metrics = json.loads((found.folder / "metrics.json").read_text())
    assert metrics == found.metrics
    assert list(metrics) == [
        *("dataset", "model", "protocol", "seed", "valid", "test", "test_by_language", "seconds"),
        "peak_memory_mb",
    ]
    assert (metrics["dataset"], metrics["model"], metrics["protocol"], metrics["seed"]) == ("toy", "Pop", "joint", 2020)
    names = {f"{metric}@{k}" for metric in ("ndcg", "recall", "mrr", "hit") for k in (1, 5)}
    assert set(metrics["valid"]) == set(metrics["test"]) == names
    assert {language: set(values) for language, values in metrics["test_by_language"].items()} == {
        "de": names | {"queries"},
        "en": names | {"queries"},
    }
    assert list(metrics["seconds"]) == ["data", "encode", "fit", "evaluate"]
    assert all(seconds >= 0 for seconds in metrics["seconds"].values())
    assert metrics["peak_memory_mb"] > 50


def test_ranking_npz_has_the_arrays_of_the_contract(toy_config: Path) -> None:
    with np.load(_run(toy_config, ranking_k=7).folder / "ranking.npz", allow_pickle=False) as arrays:
        assert set(arrays.files) == {"query_ids", "items", "scores", "targets", "languages", "ids"}
        assert arrays["query_ids"].shape == arrays["languages"].shape == (24,)
        assert arrays["items"].shape == arrays["scores"].shape == (24, 7)
        kinds = {"query_ids": "U", "languages": "U", "ids": "U", "items": "i", "targets": "i", "scores": "f"}
        assert {name: arrays[name].dtype.kind for name in arrays.files} == kinds


def test_nothing_is_written_outside_the_run_folder(toy_config: Path) -> None:
    before = _files()
    found = _run(toy_config, "BPR", epochs=2)
    written = _files() - before
    locks = {name for name in written if name.endswith(".lock")}
    assert {name for name in written - locks if not name.startswith(str(found.folder))} == set()
    assert len(locks) == 1
    assert sorted(os.listdir()) == ["data", "runs"]


def test_vectors_are_the_only_thing_written_beside_the_data(toy_config: Path) -> None:
    before = _files(Path("data"))
    _run(toy_config, "XLProfile")
    assert all(name.startswith("toy/.vectors/") for name in _files(Path("data")) - before)


def test_a_finished_run_is_not_repeated(toy_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _run(toy_config)
    monkeypatch.setattr(experiment, "build_dataset", lambda *_: pytest.fail("the run is repeated"))
    again = _run(toy_config)
    assert (again.folder, again.metrics, again.fresh) == (first.folder, first.metrics, False)


def test_rerun_repeats_a_run_and_replaces_it(toy_config: Path) -> None:
    first = _run(toy_config)
    (first.folder / "left.over").write_text("old")
    again = _run(toy_config, rerun=True)
    assert again.fresh
    assert again.folder == first.folder
    assert again.metrics["test"] == first.metrics["test"]
    assert not (again.folder / "left.over").exists()
    assert {path.name for path in first.folder.parent.iterdir() if not path.name.startswith(".")} == {first.folder.name}


@pytest.mark.parametrize("change", ["seed", "setting", "data"])
def test_another_seed_setting_or_data_is_another_run(change: str, toy_config: Path) -> None:
    first = _run(toy_config)
    config = {"seed": {"seed": 7}, "setting": {"topk": [1, 3, 5]}, "data": {}}[change]
    if change == "data":
        with Path("data/toy/toy.inter").open("a") as lines:
            lines.write("de-0\tde:1\t9\n")
    again = _run(toy_config, **config)
    assert again.fresh
    assert again.folder != first.folder


def test_two_runs_on_one_folder_are_refused(toy_config: Path) -> None:
    first = _run(toy_config)
    before = (first.folder / "metrics.json").read_bytes()
    with writing(first.folder), pytest.raises(DataError, match=r"another process is writing the run .*run_path"):
        _run(toy_config, rerun=True)
    assert before


def test_a_run_that_fails_leaves_its_log_and_no_run(toy_config: Path) -> None:
    Path("data/toy/toy.text").unlink()
    with pytest.raises(DataError, match=r"toy\.text"):
        _run(toy_config, "XLEASE")
    left = [path for path in Path("runs/toy/XLEASE").iterdir() if not path.name.startswith(".")]
    assert [path.name.endswith(".partial") for path in left] == [True]
    log = (left[0] / "log.txt").read_text()
    assert "the run failed" in log
    assert "toy.text" in log
    assert not list(Path("runs").rglob("metrics.json"))


def test_a_run_that_failed_can_be_made_again(toy_config: Path) -> None:
    texts = Path("data/toy/toy.text")
    kept = texts.read_bytes()
    texts.write_bytes(b"")
    with pytest.raises(DataError):
        _run(toy_config, "XLEASE")
    texts.write_bytes(kept)
    assert _run(toy_config, "XLEASE").fresh


def test_a_failing_rerun_keeps_the_finished_run(toy_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _run(toy_config)

    def fail(*_: Any) -> None:
        raise RuntimeError("no power")

    monkeypatch.setattr(experiment, "_fit", fail)
    with pytest.raises(RuntimeError, match="no power"):
        _run(toy_config, rerun=True)
    assert json.loads((first.folder / "metrics.json").read_text()) == first.metrics


def test_the_model_is_kept_only_if_wanted(toy_config: Path) -> None:
    assert not (_run(toy_config, keep_model=False).folder / "model.safetensors").exists()


def test_the_config_that_is_written_makes_the_same_run(toy_config: Path) -> None:
    first = _run(toy_config, "XLProfile", half_life=3.0)
    written = (first.folder / "config.yaml").read_text()
    assert "half_life: 3.0" in written
    assert "protocol: joint" in written


def test_nothing_is_written_for_a_model_or_key_that_is_unknown(toy_config: Path) -> None:
    with pytest.raises(ConfigError, match="XLEASE"):
        _run(toy_config, "XLEAZE")
    with pytest.raises(ConfigError, match="unknown key 'tokp'"):
        _run(toy_config, tokp=[1])
    assert not Path("runs").exists()


def test_a_single_language_is_evaluated_on_its_users_only(toy_config: Path) -> None:
    found = _run(toy_config, "XLEASE", protocol="single", protocol_language="de")
    assert found.folder.name.startswith("single-2020-")
    assert set(found.metrics["test_by_language"]) == {"de"}
    assert found.metrics["test_by_language"]["de"]["queries"] == 12
    assert found.metrics["test"]["ndcg@1"] == 1.0


def test_a_run_leaves_the_programs_log_level_and_threads_alone(toy_config: Path) -> None:
    import logging

    before = (logging.getLogger().level, list(logging.getLogger().handlers), torch.get_num_threads())
    _run(toy_config)
    assert (logging.getLogger().level, list(logging.getLogger().handlers), torch.get_num_threads()) == before
