"""One run of each model on the toy set for all tests here, and its recommender."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from recbole_xlrec.bridge.experiment import Run, run
from recbole_xlrec.serving import Recommender

#: Tiny settings by model; "name/variant" is a variant.
SETTINGS: dict[str, dict[str, Any]] = {
    "XLProfile": {"half_life": 2.0},
    "XLEASE": {},
    "XLAlphaRec": {"epochs": 2},
    "XLAlphaRec/ids": {"epochs": 2, "id_embedding": True},
    "XLSASRec": {"epochs": 2, "MAX_ITEM_LIST_LENGTH": 4, "window_stride": 2, "hidden_size": 16},
    "XLSASRec/transitions": {"epochs": 2, "hidden_size": 16, "transition_weight": 5.0, "exclude_met": True},
    "BPR": {"epochs": 2},
    "SASRec": {"epochs": 1, "train_neg_sample_args": None, "hidden_size": 16, "inner_size": 16},
    "GRU4Rec": {"epochs": 1, "train_neg_sample_args": None, "hidden_size": 16, "embedding_size": 16},
    "EASE": {},
    "ItemKNN": {"k": 5},
    "Pop": {},
    "FPMC": {"epochs": 1},
    "XLFusion": {"members": [{"model": "XLEASE"}, {"model": "XLProfile"}]},
    "XLEASE/cold": {"protocol": "cold_item", "cold_share": 0.2},
    "XLSASRec/cold": {
        "epochs": 2,
        "protocol": "cold_item",
        "cold_share": 0.2,
        "hidden_size": 16,
        "transition_weight": 5.0,
    },
    "XLAlphaRec/cold": {"epochs": 2, "protocol": "cold_item", "cold_share": 0.2},
    "XLProfile/cold": {"protocol": "cold_item", "cold_share": 0.2},
}

Make = Callable[[str], Run]
Serve = Callable[[str], Recommender]


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory, copy_toy: Callable[[Path], Path], toy_config: Path) -> Make:
    """The finished run of a model of `SETTINGS`, made once."""
    folder = tmp_path_factory.mktemp("serving")
    data = copy_toy(folder / "data")

    @cache
    def made(name: str) -> Run:
        config = {"data_path": str(data), "run_path": str(folder / "runs"), "show_progress": False, "use_gpu": False}
        return run(name.split("/")[0], "toy", [toy_config], {**config, "encoder_dimension": 16, **SETTINGS[name]})

    return made


@pytest.fixture(scope="session")
def serve(make: Make) -> Serve:
    """The recommender of a model of `SETTINGS`, loaded once."""
    return cache(lambda name: Recommender.from_run(make(name).folder))
