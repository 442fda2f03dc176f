"""Histories for RecBole's sequential models, where the source comes in splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from recbole_xlrec.convert import columnar
from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.errors import ConfigError

Convert = Callable[..., Converted]
Tables = Callable[[Converted], dict[str, pd.DataFrame]]
COLUMNS = {"user_id": "u", "item_id": "i", "timestamp": "t", "split": "s"}


def _raw(folder: Path, columns: dict[str, str]) -> Path:
    raw = folder / "raw"
    raw.mkdir()
    (raw / "m.yaml").write_text(yaml.safe_dump({"interactions": {"file": "a.csv", "columns": columns}}))
    rows = [
        "u1,a,3,train",
        "u1,b,1,train",
        "u1,c,9,test",
        "u1,d,5,valid",
        "u2,a,1,train",
        "u3,c,1,train",
        "u3,c,2,test",
    ]
    (raw / "a.csv").write_text("u,i,t,s\n" + "\n".join(rows) + "\n")
    return raw


@pytest.mark.parametrize("piece", [1, 2, 3, 100])
def test_every_target_has_the_items_before_it_up_to_the_length(
    piece: int, tmp_path: Path, convert: Convert, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columnar, "PIECE", piece)
    done = convert("table", _raw(tmp_path, COLUMNS), name="d", sequences=2, settings={"mapping": "m.yaml"})
    found = {name: frame.to_numpy().tolist() for name, frame in tables(done).items() if "sequence" in name}
    assert found == {
        "sequence-train.inter": [["u1", "b", "a"]],
        "sequence-valid.inter": [["u1", "b a", "d"]],
        "sequence-test.inter": [["u1", "a d", "c"], ["u3", "c", "c"]],
    }
    assert done.meta["files"]["sequence-test.inter"] == 2


def test_stock_sequential_datasets_read_them(
    tmp_path: Path, convert: Convert, stock_dataset: Callable[..., Any]
) -> None:
    done = convert("table", _raw(tmp_path, COLUMNS), name="d", sequences=5, settings={"mapping": "m.yaml"})
    splits = ["sequence-train", "sequence-valid", "sequence-test"]
    load = {"inter": ["user_id", "item_id_list", "item_id"]}
    dataset = stock_dataset(
        done, sequential=True, benchmark_filename=splits, load_col=load, alias_of_item_id=["item_id_list"]
    )
    parts = dataset.build()
    history = parts[2].inter_feat["item_id_list"][0]
    assert [dataset.id2token("item_id", item) for item in history[:3].tolist()] == ["b", "a", "d"]
    assert [len(part) for part in parts] == [1, 1, 2]


@pytest.mark.parametrize("missing", ["split", "timestamp"])
def test_without_splits_or_times_they_are_refused(missing: str, tmp_path: Path, convert: Convert) -> None:
    columns = {name: column for name, column in COLUMNS.items() if name != missing}
    with pytest.raises(ConfigError, match="--sequences: "):
        convert("table", _raw(tmp_path, columns), name="d", sequences=5, settings={"mapping": "m.yaml"})
