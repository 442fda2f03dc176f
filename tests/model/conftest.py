"""Datasets built in memory-sized folders, and the scores of a model on them by user and item id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from recbole.data import data_preparation
from recbole.data.interaction import Interaction
from recbole.utils import get_model, init_seed

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset
from recbole_xlrec.bridge.registry import register


class Fitted:
    """A model fitted on the training part of a dataset."""

    def __init__(self, name: str, data_path: Path, dataset: str, config_files: list[Path], config: dict[str, Any]):
        register()
        chosen = {"data_path": str(data_path), "show_progress": False, "state": "ERROR", **config}
        self.settings = XLConfig(name, dataset, config_files, chosen)
        init_seed(self.settings["seed"], self.settings["reproducibility"])
        self.dataset = build_dataset(self.settings)
        self.parts = data_preparation(self.settings, self.dataset)
        self.train = self.parts[0]._dataset
        self.model = get_model(name)(self.settings, self.train)

    @property
    def scores(self) -> pd.DataFrame:
        """Users by items, without the padding ids."""
        users = torch.arange(self.dataset.user_num)
        with torch.no_grad():
            flat = self.model.full_sort_predict(Interaction({self.dataset.uid_field: users}))
        table = flat.view(len(users), -1).cpu().numpy()
        return pd.DataFrame(table, self.dataset.field2id_token["user_id"], self.dataset.item_ids).iloc[1:, 1:]

    def top(self, user: str, among: list[str]) -> str:
        """The best of some items for a user."""
        return str(self.scores.loc[user, among].idxmax())


#: Every interaction is for training; what is scored is the whole table.
ALL_TRAINING = {
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "eval_args": {"split": {"RS": [1, 0, 0]}, "order": "TO", "group_by": None, "mode": "full"},
    "repeatable": False,
    "topk": [1],
    "valid_metric": "NDCG@1",
}


@pytest.fixture
def fit(tmp_path: Path, write_dataset: Callable[..., Path]) -> Callable[..., Fitted]:
    """Writes tables, or takes a `data_path`, and fits a model."""

    def fit_model(
        name: str,
        tables: dict[str, Any] | None = None,
        data_path: Path | None = None,
        dataset: str = "tiny",
        **config: Any,
    ) -> Fitted:
        if tables is not None:
            number = len(list(tmp_path.glob("set*")))
            data_path = write_dataset(tmp_path / f"set{number}", dataset, **tables)
        assert data_path is not None
        files = config.pop("config_files", [])
        return Fitted(name, data_path, dataset, files, config if files else {**ALL_TRAINING, **config})

    return fit_model


@pytest.fixture(scope="session")
def write_vectors() -> Callable[..., str]:
    """Writes vectors by item id and returns the `encoder` that names them."""

    def write(path: Path, vectors: dict[str, list[float]]) -> str:
        np.savez(
            path, ids=np.array(list(vectors), dtype=str), vectors=np.array(list(vectors.values()), dtype=np.float32)
        )
        return f"file:{path}"

    return write
