from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.trainer import Trainer

from recbole_xlrec.bridge.experiment import Run, run
from recbole_xlrec.bridge.recorder import RankingRecorder
from recbole_xlrec.bridge.trainer import xl_trainer
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.evaluation.by_language import by_language, overall
from recbole_xlrec.ranking.ranking import Ranking, load_ranking

METRICS = ["Recall", "MRR", "NDCG", "Hit", "Precision", "MAP"]


def _run(model: str, data_path: Path, name: str = "ml-cut", **config: Any) -> Run:
    chosen = {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "metrics": METRICS, "topk": [1, 5, 10]}
    quiet = {"data_path": str(data_path), "show_progress": False, "epochs": 1, "eval_step": 1, "state": "ERROR"}
    return run(model, name, None, {**chosen, **quiet, **config})


def _ranking(found: Run) -> Ranking:
    return load_ranking(found.folder / "ranking.npz")


def test_decorating_twice_is_decorating_once() -> None:
    assert xl_trainer(xl_trainer(Trainer)) is xl_trainer(Trainer)
    assert issubclass(xl_trainer(Trainer), Trainer)


# --- the saved ranking -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [3, 50, 1000])
@pytest.mark.parametrize("model", ["Pop", "ItemKNN", "BPR", "EASE"])
def test_the_saved_ranking_gives_recboles_metrics(model: str, length: int, ml_cut: Path) -> None:
    found = _run(model, ml_cut, ranking_k=length, metric_decimal_place=8)
    ranking = _ranking(found)
    items = len((ml_cut / "ml-cut" / "ml-cut.item").read_text().splitlines())  # the padding item for the header
    assert ranking.item_ids.shape[1] == {3: 10, 50: 50, 1000: items}[length]  # as long as the longest cut-off, or all
    expected = overall(ranking, METRICS, [1, 5, 10])
    assert found.metrics["test"] == pytest.approx(expected, abs=1e-7)
    languages = by_language(ranking, METRICS, [1, 5, 10])
    assert found.metrics["test_by_language"] == languages
    assert sum(values["queries"] for values in languages.values()) == len(ranking.query_ids)
    assert set(languages) == {"de", "en"}


def test_users_targets_and_languages_of_a_ranking_are_the_datasets(ml_cut: Path) -> None:
    ranking = _ranking(_run("Pop", ml_cut, eval_args={"split": {"LS": "valid_and_test"}, "order": "TO"}))
    assert (ranking.target_counts() == 1).all()
    assert ranking.languages.tolist() == ["en" if int(user) % 2 else "de" for user in ranking.query_ids]
    last: dict[str, tuple[float, set[str]]] = {}
    for line in (ml_cut / "ml-cut" / "ml-cut.inter").read_text().splitlines()[1:]:
        user, item, _, moment = line.split("\t")
        latest, items = last.get(user, (-1.0, set()))
        when = float(np.float32(moment))  # RecBole keeps no more of it
        if when >= latest:
            last[user] = (when, {item} | (items if when == latest else set()))
    for user, target in zip(ranking.query_ids, ranking.target_ids[:, 0], strict=True):
        assert target in last[user][1]


def test_scores_fall_and_no_item_of_the_history_is_listed(ml_cut: Path) -> None:
    ranking = _ranking(_run("EASE", ml_cut, ranking_k=1000))
    scores = np.where(np.isfinite(ranking.scores), ranking.scores, -1e9)
    assert (np.diff(scores[:, 10:], axis=1) <= 0).all()
    assert (np.diff(scores, axis=1) <= 1e-6).all()
    for items in ranking.item_ids:
        listed = items[items != ""].tolist()
        assert len(listed) == len(set(listed)) > 0
        assert "[PAD]" not in listed
    assert (ranking.item_ids == "").any()  # what was met before, and the padding item


def test_ties_beyond_recboles_own_cut_off_do_not_change_its_head() -> None:
    scores = torch.tensor([[1.0, 2.0, 2.0, 2.0, 0.0, 2.0]])
    head = torch.topk(scores, 2).indices
    recorder = RankingRecorder(length=5, head=2)
    values, items = recorder._top(scores)
    assert items[:, :2].tolist() == head.tolist()
    assert values.tolist() == [[2.0, 2.0, 2.0, 2.0, 1.0]]
    assert len(set(items[0].tolist())) == 5


# --- candidates ------------------------------------------------------------------------------------------------------


def test_candidates_by_language_leave_out_exactly_the_other_languages(toy: Path, toy_config: Path) -> None:
    config = {"data_path": str(toy), "show_progress": False, "ranking_k": 100}
    limited = _ranking(run("Pop", "toy", [toy_config], config))
    everything = _ranking(run("Pop", "toy", [toy_config], {**config, "candidates": "all"}))
    assert limited.query_ids.tolist() == everything.query_ids.tolist()
    for row, language in enumerate(limited.languages):
        listed = {item for item in everything.item_ids[row] if item}
        assert {item[:2] for item in listed} == {"de", "en"}
        own = {item for item in listed if item.startswith(language)}
        assert {item for item in limited.item_ids[row] if item} == own
        assert len(own) == 12 - 5  # all of the language but the history


def test_candidates_by_language_are_refused_where_the_evaluation_samples_them(toy: Path, toy_config: Path) -> None:
    sampled = {"eval_args": {"mode": "uni10"}, "data_path": str(toy), "show_progress": False}
    with pytest.raises(ConfigError, match=r"candidates: language ranks all items .* set eval_args\.mode to full"):
        run("Pop", "toy", [toy_config], sampled)


def test_candidates_by_language_are_refused_without_languages(toy: Path, toy_config: Path) -> None:
    (toy / "toy" / "toy.user").unlink()
    with pytest.raises(ConfigError, match=r"candidates: language needs a language column in toy\.user"):
        run("Pop", "toy", [toy_config], {"data_path": str(toy), "show_progress": False})


def test_a_target_of_another_language_is_a_miss_in_recboles_metrics_too(
    tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    """With fewer candidates than the cut-off, RecBole's lists are filled up with items that are no candidates."""
    events = [(f"u{user}", f"de:{item}", item) for user in range(4) for item in range(3) if item != user]
    data_path = write_dataset(
        tmp_path / "data",
        inter=[*events, *[(f"u{user}", "en:0", 9) for user in range(4)], ("e", "en:1", 0), ("e", "en:0", 1)],
        user=[*[(f"u{user}", "de") for user in range(4)], ("e", "en")],
        item=[*[(f"de:{item}", "de") for item in range(3)], ("en:0", "en"), ("en:1", "en")],
    )
    config = {"candidates": "language", "eval_args": {"split": {"LS": "test_only"}, "order": "TO"}, "topk": [5]}
    found = _run("Pop", data_path, "tiny", **config, metrics=["Hit"], valid_metric="Hit@5")
    assert found.metrics["test_by_language"]["de"]["hit@5"] == 0.0
    assert found.metrics["test"] == pytest.approx(overall(_ranking(found), ["Hit"], [5]), abs=1e-4)


# --- other evaluations -----------------------------------------------------------------------------------------------


def test_a_sampled_evaluation_ranks_the_sampled_items_only(ml_cut: Path) -> None:
    config = {"eval_args": {"split": {"LS": "valid_and_test"}, "mode": "uni20", "order": "TO"}, "ranking_k": 50}
    found = _run("BPR", ml_cut, **config, metric_decimal_place=8)
    ranking = _ranking(found)
    listed = (ranking.item_ids != "").sum(axis=1)
    assert listed.max() == 21
    assert listed.min() > 10  # twenty draws, some of them the same
    assert found.metrics["test"] == pytest.approx(overall(ranking, METRICS, [1, 5, 10]), abs=1e-7)


def test_value_metrics_are_computed_and_nothing_is_ranked(ml_cut: Path) -> None:
    config = {
        "load_col": None,
        "threshold": {"rating": 4},
        "eval_args": {"split": {"RS": [8, 1, 1]}, "order": "RO", "group_by": None, "mode": "labeled"},
        "metrics": ["AUC", "LogLoss"],
        "valid_metric": "AUC",
        "train_neg_sample_args": None,
    }
    found = _run("DeepFM", ml_cut, **config)
    assert set(found.metrics["test"]) == {"auc", "logloss"}
    assert 0 < found.metrics["test"]["auc"] < 1
    assert found.metrics["test_by_language"] == {}
    assert not (found.folder / "ranking.npz").exists()


def test_a_sequential_model_of_recbole_has_a_ranking(ml_cut: Path) -> None:
    config = {"MAX_ITEM_LIST_LENGTH": 10, "train_neg_sample_args": None, "metric_decimal_place": 8}
    found = _run("SASRec", ml_cut, **config, n_layers=1, n_heads=1, hidden_size=16, inner_size=32)
    ranking = _ranking(found)
    assert len(set(ranking.query_ids)) == len(ranking.query_ids)
    assert found.metrics["test"] == pytest.approx(overall(ranking, METRICS, [1, 5, 10]), abs=1e-7)


# --- history ---------------------------------------------------------------------------------------------------------


def test_the_history_has_a_line_an_epoch(ml_cut: Path) -> None:
    found = _run("BPR", ml_cut, epochs=3, eval_step=2)
    lines = [json.loads(line) for line in (found.folder / "history.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    assert [line["valid"] is None for line in lines] == [True, False, True]
    assert all(np.isfinite(line["loss"]) and line["seconds"] > 0 for line in lines)
    assert set(lines[1]["valid"]) == set(found.metrics["valid"])
