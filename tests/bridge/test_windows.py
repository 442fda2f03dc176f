"""Windows: every training target counts exactly once, after the items that came before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from recbole.data import data_preparation

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset
from recbole_xlrec.bridge.registry import register
from recbole_xlrec.bridge.windows import NEW, TARGETS, windows
from recbole_xlrec.errors import ConfigError

SETTINGS: dict[str, Any] = {
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "MAX_ITEM_LIST_LENGTH": 8,
    "adapter": "none",
    "show_progress": False,
}


def _parts(data_path: Path, split: dict[str, Any], model: str = "XLSASRec", **changed: Any) -> list[Any]:
    register()
    arguments = {"split": split, "order": "TO", "group_by": "user", "mode": "full"}
    config = {**SETTINGS, "data_path": str(data_path), "eval_args": arguments, **changed}
    settings = XLConfig(model, "ml-cut", None, config)
    return [loader._dataset for loader in data_preparation(settings, build_dataset(settings))]


@pytest.mark.parametrize("stride", [1, 3, 8])
@pytest.mark.parametrize("split", [{"LS": "valid_and_test"}, {"RS": [0.7, 0.2, 0.1]}], ids=["LS", "RS"])
def test_every_target_counts_once_after_the_history_that_recbole_gives_it(
    split: dict[str, Any], stride: int, ml_cut: Path
) -> None:
    stock_config = {"model": "SASRec", "train_neg_sample_args": None, "MAX_ITEM_LIST_LENGTH": 8}
    settings = {key: value for key, value in SETTINGS.items() if key != "adapter"}
    register()
    arguments = {"split": split, "order": "TO", "group_by": "user", "mode": "full"}
    stock = XLConfig(
        "SASRec", "ml-cut", None, {**settings, **stock_config, "data_path": str(ml_cut), "eval_args": arguments}
    )
    expected_parts = [loader._dataset for loader in data_preparation(stock, build_dataset(stock))]
    train, *others = _parts(ml_cut, split, window_stride=stride)
    rows = expected_parts[0][list(range(len(expected_parts[0])))]
    expected = {
        (int(user), int(item)): history[:length].tolist()
        for user, item, history, length in zip(
            rows["user_id"], rows["item_id"], rows["item_id_list"], rows["item_length"], strict=True
        )
    }
    found: dict[tuple[int, int], list[int]] = {}
    whole = train[list(range(len(train)))]
    for user, inputs, targets, new in zip(
        whole["user_id"], whole["item_id_list"], whole[TARGETS], whole[NEW], strict=True
    ):
        counted = torch.nonzero(targets).flatten().tolist()
        assert len(counted) == int(new) <= stride
        for place in counted:
            key = (int(user), int(targets[place]))
            assert key not in found
            found[key] = inputs[: place + 1].tolist()
    assert found.keys() == expected.keys()
    for key, history in found.items():  # a window cuts the history where it begins, never elsewhere
        assert history == expected[key][-len(history) :]
    for part, other in zip(expected_parts[1:], others, strict=True):
        ours, theirs = other[list(range(len(other)))], part[list(range(len(part)))]
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs.interaction)


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 5))
def test_new_targets_add_up_to_all_targets(lengths: list[int], stride: int) -> None:
    users = np.repeat(np.arange(len(lengths)), lengths)
    places = np.arange(len(users)) + users  # the first interaction of a user is no target
    rows, new = windows(users, places, stride)
    assert new.sum() == len(users)
    assert (new <= stride).all()
    assert np.bincount(users[rows], new, minlength=len(lengths)).tolist() == lengths


@pytest.mark.parametrize("stride", [0, 9])
def test_a_stride_beyond_the_window_is_refused(stride: int, ml_cut: Path) -> None:
    with pytest.raises(ConfigError, match=f"window_stride {stride}: from 1 to MAX_ITEM_LIST_LENGTH"):
        _parts(ml_cut, {"LS": "valid_and_test"}, window_stride=stride)


@pytest.mark.parametrize("stride", [3, 8])
def test_the_interactions_of_the_windows_are_those_of_the_split(stride: int, ml_cut: Path) -> None:
    split = {"LS": "valid_and_test"}
    stock = _parts(ml_cut, split, "SASRec", train_neg_sample_args=None, adapter=None)[0]
    ours = _parts(ml_cut, split, window_stride=stride)[0]
    # RecBole drops the first interaction of a user, which begins histories and is no target
    first = stock.inter_feat["item_length"] == 1
    users = torch.cat([stock.inter_feat["user_id"], stock.inter_feat["user_id"][first]])
    items = torch.cat([stock.inter_feat["item_id"], stock.inter_feat["item_id_list"][first][:, 0]])
    expected = np.zeros((ours.user_num, ours.item_num))
    np.add.at(expected, (users.numpy(), items.numpy()), 1)
    assert (ours.inter_matrix(form="csr").toarray() == expected).all()
    assert (ours.training_counts == expected.sum(axis=0)).all()
    assert expected.sum() > 100
