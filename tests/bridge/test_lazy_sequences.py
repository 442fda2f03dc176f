"""Lazy sequences are RecBole's own, cut later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from recbole.data import data_preparation

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset, run
from recbole_xlrec.bridge.lazy_sequences import cut, histories
from recbole_xlrec.errors import ConfigError

SETTINGS: dict[str, Any] = {
    "load_col": {"inter": ["user_id", "item_id", "rating", "timestamp"]},
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
    "MAX_ITEM_LIST_LENGTH": 7,
    "epochs": 2,
    "train_neg_sample_args": None,
    "eval_batch_size": 100_000,
    "show_progress": False,
}


def _parts(data_path: Path, model: str = "SASRec", **changed: Any) -> list[Any]:
    settings = XLConfig(model, "ml-cut", None, {**SETTINGS, "data_path": str(data_path), **changed})
    return [loader._dataset for loader in data_preparation(settings, build_dataset(settings))]


@pytest.mark.parametrize("split", [{"LS": "valid_and_test"}, {"RS": [0.8, 0.1, 0.1]}], ids=["LS", "RS"])
def test_every_row_of_every_part_is_recboles_row(split: dict[str, Any], ml_cut: Path) -> None:
    arguments = {**SETTINGS["eval_args"], "split": split}
    eager = _parts(ml_cut, eval_args=arguments)
    lazy = _parts(ml_cut, eval_args=arguments, lazy_sequences=True)
    for stock, ours in zip(eager, lazy, strict=True):
        expected, found = stock[list(range(len(stock)))].interaction, ours[list(range(len(ours)))].interaction
        assert sorted(found) == sorted(expected)
        for name, values in expected.items():
            assert torch.equal(found[name], values), name
            assert found[name].dtype == values.dtype
        assert (ours.inter_matrix() != stock.inter_matrix()).nnz == 0
        assert ours.inter_matrix("csr", "rating").sum() == stock.inter_matrix("csr", "rating").sum()
        assert ours.training_items.tolist() == stock.training_items.tolist()


def test_items_that_only_begin_a_history_are_training_items(tmp_path: Path, write_dataset: Callable[..., Path]) -> None:
    rows = [
        (f"u{user}", f"{'i' if place else 'first'}{place if place else user}", place)
        for user in range(5)
        for place in range(4)
    ]
    write_dataset(tmp_path, name="ml-cut", inter=rows)
    load = {"inter": ["user_id", "item_id", "timestamp"]}
    for lazy in (False, True):
        train = _parts(tmp_path, load_col=load, lazy_sequences=lazy)[0]
        names = set(train.id2token("item_id", train.training_items))
        assert names == {f"first{user}" for user in range(5)} | {"i1"}


@pytest.mark.parametrize("model", ["SASRec", "GRU4Rec", "BERT4Rec", "FDSA"])
def test_training_gives_the_same_results(model: str, ml_cut: Path, tmp_path: Path) -> None:
    found = []
    for lazy in (False, True):
        config = {**SETTINGS, "data_path": str(ml_cut), "run_path": str(tmp_path), "lazy_sequences": lazy}
        if model == "FDSA":
            config |= {
                "load_col": {**SETTINGS["load_col"], "item": ["item_id", "class"]},
                "selected_features": ["class"],
            }
        found.append(run(model, "ml-cut", None, config).metrics)
    assert found[0]["valid"] == found[1]["valid"]
    assert found[0]["test"] == found[1]["test"]


def test_a_dataset_that_makes_its_own_sequences_is_refused(ml_cut: Path) -> None:
    labelled = {**SETTINGS["eval_args"], "mode": "labeled"}
    with pytest.raises(ConfigError, match="lazy_sequences, exclude_met: DIENDataset makes sequences of its own"):
        _parts(ml_cut, "DIEN", lazy_sequences=True, eval_args=labelled, metrics=["AUC"], valid_metric="AUC")


@given(st.lists(st.integers(1, 6), max_size=6), st.integers(1, 4))
def test_histories_are_those_of_the_definition(lengths: list[int], longest: int) -> None:
    users = np.repeat(np.arange(len(lengths)), lengths)
    targets, sizes = histories(users, longest)
    expected = [
        (start + place, min(place, longest))
        for start, length in zip(np.cumsum([0, *lengths]), lengths, strict=False)
        for place in range(1, length)
    ]
    assert list(zip(targets.tolist(), sizes.tolist(), strict=True)) == expected


def test_lists_of_vectors_are_cut_too() -> None:
    values = torch.arange(10, dtype=torch.float64).reshape(5, 2)
    found = cut(values, torch.tensor([2, 4]), torch.tensor([2, 1]), 3)
    assert found.tolist() == [[[0, 1], [2, 3], [0, 0]], [[6, 7], [0, 0], [0, 0]]]
