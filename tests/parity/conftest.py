"""A small cut of the ml-100k that ships with RecBole, with features, knowledge graph and pretrained entity vectors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import recbole

ML_100K = Path(recbole.__file__).parent / "dataset_example" / "ml-100k"
CORE, ITEMS, USERS, WIDTH = 5, 150, 100, 16


@pytest.fixture(scope="session")
def ml_100k_cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the dataset ``cut``."""
    folder = tmp_path_factory.mktemp("data")
    write_cut(folder / "cut")
    return folder


def write_cut(folder: Path) -> None:
    """Writes a k-core of few users and items with everything that a RecBole model may want to read."""
    folder.mkdir()
    inter, item, user, kg, link = (_read(suffix) for suffix in ("inter", "item", "user", "kg", "link"))
    popular = inter["item_id:token"].value_counts().sort_index().nlargest(ITEMS).index
    inter = inter[inter["item_id:token"].isin(popular.intersection(link["item_id:token"]))]
    inter = _core(inter[inter["user_id:token"].astype(int) <= USERS])
    item = item[item["item_id:token"].isin(inter["item_id:token"])]
    link = link[link["item_id:token"].isin(inter["item_id:token"])]
    kg = kg[kg["head_id:token"].isin(link["entity_id:token"])]
    entities = sorted({*kg["head_id:token"], *kg["tail_id:token"], *link["entity_id:token"]})
    tables = {
        "inter": inter,
        "item": item,
        "user": user[user["user_id:token"].isin(inter["user_id:token"])],
        "kg": kg,
        "link": link,
        "ent": _vectors("ent", entities),
        "rel": _vectors("rel", sorted({*kg["relation_id:token"], "[UI-Relation]"})),
    }
    for suffix, table in tables.items():
        table.to_csv(folder / f"cut.{suffix}", sep="\t", index=False)


def _read(suffix: str) -> pd.DataFrame:
    return pd.read_csv(ML_100K / f"ml-100k.{suffix}", sep="\t", dtype=str, keep_default_na=False)


def _core(inter: pd.DataFrame) -> pd.DataFrame:
    while True:
        counts = [inter.groupby(column)[column].transform("size") for column in ("user_id:token", "item_id:token")]
        kept = inter[(counts[0] >= CORE) & (counts[1] >= CORE)]
        if len(kept) == len(inter):
            return inter
        inter = kept


def _vectors(name: str, ids: list[str]) -> pd.DataFrame:
    values = np.random.default_rng(0).normal(size=(len(ids), WIDTH)).round(4)
    cells = [" ".join(map(str, row)) for row in values]
    return pd.DataFrame({f"{name}_id:token": ids, f"{name}_emb:float_seq": cells})


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[dict[str, Any]]]:
    """Runs stock RecBole in a process and a working directory of its own; see `stock.py`."""

    def run(start: str, *jobs: dict[str, Any]) -> list[dict[str, Any]]:
        command = [sys.executable, str(Path(__file__).with_name("stock.py")), start, json.dumps(jobs)]
        done = subprocess.run(command, cwd=tmp_path_factory.mktemp("stock"), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run
