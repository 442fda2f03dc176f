"""Batches of whole users: every interaction once an epoch, a user's together, in users' languages' shares if asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recbole.data import data_preparation

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset
from recbole_xlrec.bridge.whole_users import WholeUsersDataLoader

Pairs = list[tuple[int, int]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_dataset: Callable[..., Path]) -> Path:
    users = [f"u{number}" for number in range(11)]
    return write_dataset(
        tmp_path_factory.mktemp("data"),
        inter=[
            (user, f"i{(3 * number + time) % 17}", time)
            for number, user in enumerate(users)
            for time in range(3 + number)
        ],
        user=[(user, "de" if number < 2 else "en") for number, user in enumerate(users)],
        item=[(f"i{item}", "en") for item in range(17)],
        text=[(f"i{item}", "en", f"t {item}") for item in range(17)],
    )


def _loader(data: Path, **more: Any) -> WholeUsersDataLoader:
    config = {
        "data_path": str(data),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "train_batch_size": 4,
        "state": "ERROR",
        **more,
    }
    settings = XLConfig("XLAlphaRec", "tiny", None, config)
    loader = data_preparation(settings, build_dataset(settings))[0]
    assert isinstance(loader, WholeUsersDataLoader)
    return loader


def _epoch(loader: WholeUsersDataLoader) -> list[Pairs]:
    names = loader._dataset.uid_field, loader._dataset.iid_field
    return [list(zip(*(batch[name].tolist() for name in names), strict=True)) for batch in loader]


def test_an_epoch_has_every_interaction_once_and_a_user_in_one_batch(data: Path) -> None:
    loader = _loader(data)
    events = loader._dataset.inter_feat
    wanted = Counter(zip(events["user_id"].tolist(), events["item_id"].tolist(), strict=True))
    first, second = _epoch(loader), _epoch(loader)
    for batches in (first, second):
        assert Counter(pair for batch in batches for pair in batch) == wanted
        assert [len({user for user, _ in batch}) for batch in batches] == [4, 4, 3]
    assert first != second  # users are shuffled anew


def test_two_loaders_of_one_seed_agree(data: Path) -> None:
    assert _epoch(_loader(data)) == _epoch(_loader(data))
    assert _epoch(_loader(data)) != _epoch(_loader(data, seed=7))


def test_other_phases_and_other_models_keep_recboles_loaders(data: Path) -> None:
    from recbole.data.dataloader import FullSortEvalDataLoader, TrainDataLoader
    from recbole.data.utils import get_dataloader

    settings = _loader(data).config
    assert get_dataloader(settings, "valid") is FullSortEvalDataLoader
    stock = XLConfig("BPR", "tiny", None, {"data_path": str(data), "state": "ERROR"})
    assert get_dataloader(stock, "train") is TrainDataLoader
