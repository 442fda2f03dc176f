from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from recbole_xlrec.bridge.experiment import run
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.ranking.ranking import load_ranking
from recbole_xlrec.serving import Recommender

from .conftest import Make


@pytest.fixture
def copied(make: Make, tmp_path: Path) -> Path:
    """A copy of a run, with its data beside it."""
    folder = make("XLProfile").folder
    config = yaml.safe_load((folder / "config.yaml").read_text())
    shutil.copytree(config["data_path"], tmp_path / "data" / "toy")
    shutil.copytree(folder, tmp_path / "run")
    return tmp_path / "run"


def _edit(path: Path, change: Callable[[dict], None]) -> None:
    values = yaml.safe_load(path.read_text())
    change(values)
    path.write_text(yaml.safe_dump(values, allow_unicode=True))


def test_a_run_may_move_and_its_data_too(copied: Path) -> None:
    found = Recommender.from_run(copied, data_path=copied.parent / "data")
    assert found.run.settings["data_path"] == str(copied.parent / "data" / "toy")
    ranking = load_ranking(copied / "ranking.npz")
    users = ranking.query_ids.tolist()
    np.testing.assert_allclose(found.recommend(users=users, k=5).scores, ranking.scores[:, :5], atol=1e-6)


def test_data_that_have_changed_are_said(copied: Path) -> None:
    with (copied.parent / "data" / "toy" / "toy.text").open("a", encoding="utf-8") as lines:
        lines.write("en:0\tfr\tchat noir\n")
    with pytest.raises(DataError, match=r"made with other data.*'toy\.text'.*Make the run again"):
        Recommender.from_run(copied, data_path=copied.parent / "data")


def test_data_that_are_gone_are_said(copied: Path) -> None:
    with pytest.raises(DataError, match=r"no dataset folder .*name its parent as data_path"):
        Recommender.from_run(copied, data_path=copied.parent / "elsewhere")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("metrics.json", "holds no finished run"),
        ("config.yaml", r"lacks config\.yaml"),
        ("ranking.npz", r"has no ranking\.npz"),
        ("model.safetensors", "keep_model: False"),
        ("context.npz", r"older format: it has no context\.npz\. Make the run again"),
    ],
)
def test_a_run_folder_that_lacks_a_file_is_refused_with_what_to_do(name: str, message: str, copied: Path) -> None:
    (copied / name).unlink()
    with pytest.raises(DataError, match=message):
        Recommender.from_run(copied)


def test_settings_of_another_version_are_refused(copied: Path) -> None:
    _edit(copied / "config.yaml", lambda values: values.update(gone_key=1, topk=[1, 5]))
    with pytest.raises(DataError, match=r"another format: 1 settings are not understood.*gone_key: 1 there"):
        Recommender.from_run(copied)


def test_settings_that_are_no_longer_valid_are_refused(copied: Path) -> None:
    _edit(copied / "config.yaml", lambda values: values.update(whitening="old"))
    with pytest.raises(DataError, match="not read by this version: whitening is one of"):
        Recommender.from_run(copied)


def test_a_split_that_comes_out_otherwise_is_refused(copied: Path) -> None:
    _edit(copied / "config.yaml", lambda values: values["eval_args"].update(order="RO"))
    with pytest.raises(DataError, match="its items or its split do not come out as they were"):
        Recommender.from_run(copied)


def test_an_environment_without_hashes_is_refused(copied: Path) -> None:
    (copied / "environment.json").write_text(json.dumps({"python": "3"}))
    with pytest.raises(DataError, match="does not say what data"):
        Recommender.from_run(copied)


def test_models_of_click_prediction_rank_no_catalogue(toy: Path, toy_config: Path) -> None:
    config = {"data_path": str(toy), "show_progress": False, "epochs": 1, "eval_args": {"mode": "uni5"}}
    config["train_neg_sample_args"] = {"distribution": "uniform", "sample_num": 1}
    config |= {"candidates": "all", "metrics": ["NDCG"], "valid_metric": "NDCG@5"}
    with pytest.raises(ConfigError, match="FM predicts clicks"):
        Recommender.from_run(run("FM", "toy", [toy_config], config).folder)


def test_a_fine_tuned_run_answers_for_the_users_of_all_languages(toy: Path, toy_config: Path) -> None:
    config = {"data_path": str(toy), "show_progress": False, "epochs": 1, "embedding_size": 8}
    joint = run("XLAlphaRec", "toy", [toy_config], config).folder
    tuned = run(
        "XLAlphaRec",
        "toy",
        [toy_config],
        {**config, "finetune_from": str(joint), "finetune_language": "de"},
    ).folder
    shutil.rmtree(joint)
    recommender = Recommender.from_run(tuned)
    ranking = load_ranking(tuned / "ranking.npz")
    found = recommender.recommend(users=ranking.query_ids.tolist(), k=5)
    np.testing.assert_allclose(found.scores, ranking.scores[:, :5], atol=1e-5)
    assert recommender.recommend(users=["en-0"], k=1).sources == ["model"]
