from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from recbole.data import data_preparation
from recbole.evaluator import Collector
from recbole.model.abstract_recommender import GeneralRecommender, SequentialRecommender
from recbole.trainer import Trainer
from recbole.utils import init_seed
from torch import nn

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset, run
from recbole_xlrec.bridge.retrieval import hits_and_targets
from recbole_xlrec.bridge.trainer import xl_trainer
from recbole_xlrec.evaluation.by_language import overall
from recbole_xlrec.model.inner_product import InnerProduct
from recbole_xlrec.ranking.ranking import Ranking, load_ranking
from recbole_xlrec.ranking.topk import TopItems

RANKED = ["Recall", "MRR", "NDCG", "Hit", "Precision", "MAP"]
OF_ITEMS = ["ItemCoverage", "AveragePopularity", "TailPercentage", "ShannonEntropy", "GiniIndex"]


class Users(InnerProduct, GeneralRecommender):
    """Random vectors of users and items."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.users, self.items = nn.Embedding(self.n_users, 8), nn.Embedding(self.n_items, 8)
        self.asked, self.computed = 0, 0

    def query_vectors(self, interaction: Any) -> torch.Tensor:
        self.asked += 1
        return self.users(interaction[self.USER_ID])

    def item_vectors(self) -> torch.Tensor:
        self.computed += 1
        return self.items.weight


class Histories(InnerProduct, SequentialRecommender):
    """Random vectors of items; a history is the mean of its own."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.items = nn.Embedding(self.n_items, 8)

    def query_vectors(self, interaction: Any) -> torch.Tensor:
        return self.items(interaction[self.ITEM_SEQ]).mean(dim=1)

    def item_vectors(self) -> torch.Tensor:
        return self.items.weight


class Lab(NamedTuple):
    trainer: Any
    parts: Any

    def both(self, monkeypatch: pytest.MonkeyPatch, length: int = 10) -> list[tuple[dict[str, float], Ranking]]:
        """Metrics and ranking without and with a score matrix."""
        found = []
        for name in ("full_sort_predict", "query_vectors"):
            with monkeypatch.context() as patch:
                if name == "full_sort_predict":
                    patch.setattr(InnerProduct, name, None)  # no way to a matrix
                else:
                    patch.setattr("recbole_xlrec.bridge.trainer.lists_suffice", lambda model, collector: False)
                self.trainer.eval_collector.data_collect(self.parts[0])
                found.append(self.trainer.evaluate_with_ranking(self.parts[2], length, load_best_model=False))
        return found


def _lab(model: type, data_path: Path, name: str, **config: Any) -> Lab:
    base = "BPR" if issubclass(model, GeneralRecommender) else "SASRec"
    quiet = {"data_path": str(data_path), "show_progress": False, "state": "ERROR", "metric_decimal_place": 8}
    columns = {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}}
    sequential = {"train_neg_sample_args": None, "MAX_ITEM_LIST_LENGTH": 5} if base == "SASRec" else {}
    settings = XLConfig(base, name, None, {**columns, **quiet, **sequential, **config})
    init_seed(7, True)
    parts = data_preparation(settings, build_dataset(settings))
    return Lab(xl_trainer(Trainer)(settings, model(settings, parts[0]._dataset).to(settings["device"])), parts)


def _assert_same(first: tuple[dict[str, float], Ranking], second: tuple[dict[str, float], Ranking]) -> None:
    assert first[0] == second[0]
    for field in ("query_ids", "item_ids", "target_ids", "languages"):
        np.testing.assert_array_equal(getattr(first[1], field), getattr(second[1], field))
    np.testing.assert_allclose(first[1].scores, second[1].scores, rtol=1e-5, atol=1e-5)


# --- both ways -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [3, 1000])
@pytest.mark.parametrize("candidates", ["all", "language"])
@pytest.mark.parametrize("model", [Users, Histories])
def test_lists_give_the_metrics_and_the_ranking_of_the_score_matrix(
    model: type, candidates: str, length: int, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = {"eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"}}
    lab = _lab(model, toy, "toy", **split, candidates=candidates, metrics=RANKED + OF_ITEMS, topk=[1, 5])
    fast, slow = lab.both(monkeypatch, length)
    _assert_same(fast, slow)
    assert fast[1].item_ids.shape == (24, {3: 5, 1000: 25}[length])
    assert len(fast[0]) == 2 * len(RANKED + OF_ITEMS)
    assert fast[0] != pytest.approx(dict.fromkeys(fast[0], 0.0))


@pytest.mark.parametrize("batch", [1, 4096])
def test_of_many_targets_all_are_found_and_histories_are_left_out(
    batch: int, ml_cut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = {"eval_args": {"split": {"RS": [6, 2, 2]}, "order": "RO", "group_by": "user", "mode": "full"}}
    lab = _lab(Users, ml_cut, "ml-cut", **split, metrics=RANKED + OF_ITEMS, topk=[1, 5, 10], eval_batch_size=batch)
    fast, slow = lab.both(monkeypatch, 1000)
    _assert_same(fast, slow)
    assert fast[1].target_counts().max() > 5
    assert fast[0] == pytest.approx({**fast[0], **overall(fast[1], RANKED, [1, 5, 10])}, abs=1e-7)
    met = {(user, item) for part in lab.parts[:2] for user, item in _pairs(part._dataset)}
    listed = [
        (user, item) for user, row in zip(fast[1].query_ids, fast[1].item_ids, strict=True) for item in row if item
    ]
    assert met.isdisjoint(listed)
    assert len(listed) > 5000


def _pairs(dataset: Any) -> list[tuple[str, str]]:
    users, items = (dataset.inter_feat[field].numpy() for field in (dataset.uid_field, dataset.iid_field))
    return list(zip(dataset.field2id_token[dataset.uid_field][users], dataset.item_ids[items], strict=True))


def test_lists_with_fewer_candidates_than_the_cut_off_are_those_of_the_score_matrix(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = {"eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"}}
    lab = _lab(Users, toy, "toy", **split, candidates="language", metrics=RANKED, topk=[5, 20])
    fast, slow = lab.both(monkeypatch)
    _assert_same(fast, slow)
    assert ((fast[1].item_ids != "").sum(axis=1) == 12 - 5).all()  # all of the language but the history


@pytest.mark.parametrize("model", [Users, Histories])
def test_a_target_that_is_no_candidate_is_a_miss(
    model: type, tmp_path: Path, write_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [(f"u{user}", f"de:{item}", item) for user in range(4) for item in range(3) if item != user]
    events += [("e", "en:1", 0), ("e", "en:2", 1), ("e", "en:0", 2)]
    data_path = write_dataset(
        tmp_path / "data",
        inter=[*events, *[(f"u{user}", "en:0", 9) for user in range(4)]],
        user=[*[(f"u{user}", "de") for user in range(4)], ("e", "en")],
        item=[*[(f"de:{item}", "de") for item in range(3)], *[(f"en:{item}", "en") for item in range(3)]],
    )
    split = {"eval_args": {"split": {"LS": "test_only"}, "order": "TO", "group_by": "user", "mode": "full"}}
    lab = _lab(model, data_path, "tiny", **split, candidates="language", metrics=["Hit", "Recall"], topk=[5])
    fast, slow = lab.both(monkeypatch)
    assert fast[0] == slow[0]
    assert fast[0] == pytest.approx({"hit@5": 0.2, "recall@5": 0.2})  # e's alone


def test_a_cut_off_beyond_the_catalogue_is_no_error(toy: Path) -> None:
    split = {"eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"}}
    lab = _lab(Users, toy, "toy", **split, metrics=["Hit", "Recall"], topk=[5, 200])
    metrics, ranking = lab.trainer.evaluate_with_ranking(lab.parts[2], 3, load_best_model=False)
    assert metrics["hit@200"] == 1.0
    assert overall(ranking, ["Hit"], [5]) == pytest.approx({"hit@5": metrics["hit@5"]})


def test_xlprofile_has_the_same_run_either_way(toy: Path, toy_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name in ("fast", "slow"):
        if name == "slow":
            monkeypatch.setattr("recbole_xlrec.bridge.trainer.lists_suffice", lambda model, collector: False)
        config = {"data_path": str(toy), "show_progress": False, "run_path": name, "ranking_k": 100}
        done = run("XLProfile", "toy", [toy_config], config)
        found.append((done.metrics["test"], load_ranking(done.folder / "ranking.npz")))
    assert found[0][0] == found[1][0]
    for field in ("query_ids", "target_ids", "languages"):
        np.testing.assert_array_equal(getattr(found[0][1], field), getattr(found[1][1], field))
    np.testing.assert_allclose(found[0][1].scores, found[1][1].scores, rtol=1e-5, atol=1e-6)  # some are equal
    np.testing.assert_array_equal(*(np.sort(ranking.item_ids, axis=1) for _, ranking in found))


# --- where lists do not suffice --------------------------------------------------------------------------------------


def test_metrics_that_need_every_score_have_them(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = {"eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"}}
    lab = _lab(Users, toy, "toy", **split, metrics=["Hit", "GAUC"], topk=[5], valid_metric="Hit@5")
    monkeypatch.setattr("recbole_xlrec.bridge.trainer.retrieve", None)
    metrics, ranking = lab.trainer.evaluate_with_ranking(lab.parts[2], 3, load_best_model=False)
    assert 0 < metrics["gauc"] < 1
    assert ranking.item_ids.shape == (24, 5)


def test_a_model_with_scores_of_its_own_is_ranked_by_them(toy: Path) -> None:
    class Last(Users):
        def full_sort_predict(self, interaction: Any) -> torch.Tensor:
            return torch.arange(self.n_items, device=self.device).float().repeat(len(interaction))

    lab = _lab(Last, toy, "toy", metrics=["Hit"], topk=[1])
    _, ranking = lab.trainer.evaluate_with_ranking(lab.parts[2], 1, load_best_model=False)
    assert set(ranking.scores[:, 0]) <= {24.0, 23.0, 22.0, 21.0, 20.0, 19.0}


def test_a_sampled_evaluation_samples(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = {"eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "uni5"}}
    lab = _lab(Users, toy, "toy", **split, metrics=["Hit"], topk=[1])
    for name in ("retrieve", "queries_at_once"):
        monkeypatch.setattr(f"recbole_xlrec.bridge.trainer.{name}", None)
    _, ranking = lab.trainer.evaluate_with_ranking(lab.parts[2], 10, load_best_model=False)
    assert ((ranking.item_ids != "").sum(axis=1) <= 6).all()


# --- the pieces ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch, batches", [(4096, 1), (10, 3)])
def test_batches_go_by_queries_and_the_item_side_is_computed_once(batch: int, batches: int, toy: Path) -> None:
    lab = _lab(Users, toy, "toy", metrics=["Hit"], topk=[1], eval_batch_size=batch)
    stock = len(lab.parts[2])
    assert stock == {4096: 1, 10: 24}[batch]  # eval_batch_size // 25 items
    for number in (1, 2):
        lab.trainer.evaluate(lab.parts[2], load_best_model=False)
        assert (lab.trainer.model.asked, lab.trainer.model.computed) == (number * batches, number)
    assert len(lab.parts[2]) == stock


def test_an_evaluation_that_fails_leaves_the_loader_as_it_was(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = _lab(Users, toy, "toy", metrics=["Hit"], topk=[1], eval_batch_size=10)
    monkeypatch.setattr(Users, "query_vectors", lambda self, interaction: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lab.trainer.evaluate(lab.parts[2], load_best_model=False)
    assert len(lab.parts[2]) == 24


def test_new_weights_are_evaluated_anew(toy: Path) -> None:
    lab = _lab(Users, toy, "toy", metrics=["Recall"], topk=[5], metric_decimal_place=8)
    first = lab.trainer.evaluate(lab.parts[2], load_best_model=False)
    lab.trainer.model.items.weight.data.neg_()
    assert lab.trainer.evaluate(lab.parts[2], load_best_model=False) != first
    lab.trainer.model.items.weight.data.neg_()
    assert lab.trainer.evaluate(lab.parts[2], load_best_model=False) == first


def test_hits_and_numbers_of_targets_are_those_of_recboles_collector() -> None:
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(30, 20, generator=generator)
    rows = torch.randint(30, (80,), generator=generator)  # some row has none, and some a target twice
    targets = torch.randint(1, 20, (80,), generator=generator)
    config = {"eval_args": {"mode": "full"}, "topk": [2, 6], "device": "cpu", "metrics": ["Recall"]}
    stock = Collector(config)
    stock.eval_batch_collect(scores, None, rows, targets)
    found = hits_and_targets(TopItems(*scores.topk(6)), rows, targets)
    assert torch.equal(found, stock.data_struct["rec.topk"])
    assert set(found[:, :6].flatten().tolist()) == {0, 1}
    unlisted = TopItems(torch.tensor([[1.0, -torch.inf]]), torch.tensor([[5, 7]]))
    assert hits_and_targets(unlisted, torch.tensor([0]), torch.tensor([7])).tolist() == [[0, 0, 1]]
