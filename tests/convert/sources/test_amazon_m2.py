"""Amazon-M2: sessions as users, wrapped lists, next items in files of their own, locales."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.errors import ConfigError, DataError

Convert = Callable[..., Converted]
RAW = Path(__file__).parents[2] / "data" / "raw" / "amazon-m2"
_HEADER = "prev_items,next_item,locale\n"


def _train(folder: Path, rows: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "sessions_train.csv").write_text(_HEADER + rows)
    return folder


def _test_sessions(folder: Path, task: str, locales: list[str], truth: list[str] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    items = [[f"A{place}", "A1"] for place in range(len(locales))]
    pl.DataFrame({"prev_items": items, "locale": locales}).write_parquet(folder / f"sessions_test_{task}.parquet")
    if truth is not None:
        frame = pl.DataFrame({"next_item": ["B"] * len(truth), "locale": truth})
        frame.write_parquet(folder / f"gt_test_{task}.parquet")
    return folder


def test_a_folder_without_sessions_is_refused(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "products_train.csv").write_text("id\n")
    with pytest.raises(DataError, match=r"holds no sessions_train\.csv"):
        convert("amazon-m2", tmp_path / "raw")


def test_a_session_of_many_wrapped_lines_keeps_its_order(convert: Convert, tmp_path: Path, tables: Any) -> None:
    items = [f"B{place:09}" for place in range(400)]
    lines = "\n ".join(" ".join(f"'{item}'" for item in items[start : start + 5]) for start in range(0, 400, 5))
    raw = _train(tmp_path / "raw", f"\"[{lines}]\",LAST,DE\n['B1'],B2,DE\n")
    found = tables(convert("amazon-m2", raw))["inter"]
    assert found["item_id"].tolist() == [*items, "LAST", "B1", "B2"]
    assert found["timestamp"].astype(int).tolist() == [*range(401), 0, 1]
    assert found["user_id"].tolist() == ["train-1"] * 401 + ["train-2"] * 2


def test_a_list_that_wraps_without_quotes_is_set_aside(convert: Convert, tmp_path: Path, tables: Any) -> None:
    raw = _train(tmp_path / "raw", "['B1' 'B2'\n 'B3'],B4,DE\n['B5'],B6,DE\n")
    converted = convert("amazon-m2", raw, max_rejected=1)
    assert tables(converted)["inter"]["item_id"].tolist() == ["B5", "B6"]
    assert converted.meta["rejected"] == {"not 3 cells": 1, "no list of items ['...' '...']": 1}


def test_users_are_numbered_alike_in_files_of_several_blocks(
    convert: Convert, tmp_path: Path, tables: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recbole_xlrec.convert.quoted._ROWS", 2)
    raw = _train(tmp_path / "raw", "".join(f"['A{place}'],B,DE\n" for place in range(5)))
    found = tables(convert("amazon-m2", raw))["inter"]
    assert found.query("timestamp == '0' or timestamp == 0")["user_id"].tolist() == [f"train-{n}" for n in range(1, 6)]


def test_training_sessions_alone_have_no_splits(convert: Convert, tmp_path: Path) -> None:
    raw = _train(tmp_path / "raw", "['B1'],B2,DE\n")
    assert convert("amazon-m2", raw).meta["files"] == {"inter": 2}


def test_test_sessions_without_next_items_have_no_splits(convert: Convert, tmp_path: Path) -> None:
    raw = _test_sessions(tmp_path / "raw", "task1", ["DE", "JP"])
    assert convert("amazon-m2", raw).meta["files"] == {"inter": 4}


def test_the_next_items_of_task_3_are_titles_and_left_alone(convert: Convert, tmp_path: Path) -> None:
    raw = _test_sessions(tmp_path / "raw", "task3", ["DE"], ["DE"])
    assert convert("amazon-m2", raw).meta["files"] == {"inter": 2}


def test_only_the_tasks_asked_for_are_taken(convert: Convert, tmp_path: Path, tables: Any) -> None:
    raw = _test_sessions(tmp_path / "raw", "task1", ["DE"], ["DE"])
    _test_sessions(raw, "task2_phase2", ["FR", "IT"], ["FR", "IT"])
    found = tables(convert("amazon-m2", raw, settings={"tasks": "2"}))
    assert found["test.inter"]["user_id"].tolist() == ["task2_phase2-1", "task2_phase2-2"]
    assert found["user"]["country"].tolist() == ["FR", "IT"]


def test_a_task_that_is_not_there_is_an_error(convert: Convert) -> None:
    with pytest.raises(ConfigError, match="no task '3'"):
        convert("amazon-m2", RAW, settings={"tasks": "1,3"}, max_rejected=1)


@pytest.mark.parametrize("truth", [["DE"], ["DE", "JP", "UK"]])
def test_next_items_of_another_number_of_sessions_are_refused(
    convert: Convert, tmp_path: Path, truth: list[str]
) -> None:
    raw = _test_sessions(tmp_path / "raw", "task1", ["DE", "JP"], truth)
    with pytest.raises(DataError, match=r"gt_test_task1\.parquet does not go with sessions_test_task1\.parquet"):
        convert("amazon-m2", raw)


def test_next_items_in_another_order_are_refused(convert: Convert, tmp_path: Path) -> None:
    raw = _test_sessions(tmp_path / "raw", "task1", ["DE", "JP"], ["JP", "DE"])
    with pytest.raises(DataError, match="task1-1 is of DE, the next item of JP"):
        convert("amazon-m2", raw)


def test_editions_of_items_without_a_product_row_are_one_work(convert: Convert, tmp_path: Path, tables: Any) -> None:
    raw = _train(tmp_path / "raw", "['B1'],B2,DE\n['B1'],B2,FR\n")
    found = tables(convert("amazon-m2", raw, identity="edition"))["item"].set_index("item_id")["work_id"]
    assert found.to_dict() == {"de:B1": "B1", "de:B2": "B2", "fr:B1": "B1", "fr:B2": "B2"}


@pytest.mark.data
def test_the_real_test_sessions(convert: Convert, real_data: Path, tables: Any, stock_dataset: Any) -> None:
    folder = real_data / "raw" / "amazon_m2"
    sessions, truth = (pl.read_parquet(folder / f"{name}_test_task2.parquet") for name in ("sessions", "gt"))
    known = [
        (f"task2-{row}", item, place)
        for row, items in enumerate(sessions["prev_items"], start=1)
        for place, item in enumerate(items)
    ]
    new = [
        (f"task2-{row}", item, len(items))
        for row, (items, item) in enumerate(zip(sessions["prev_items"], truth["next_item"], strict=True), start=1)
    ]
    converted = convert("amazon-m2", folder)
    found = tables(converted)
    for suffix, expected in (("train.inter", known), ("test.inter", new)):
        rows = found[suffix]
        written = list(zip(rows["user_id"], rows["item_id"], rows["timestamp"].astype(int), strict=True))
        assert written == expected

    items = {item for _, item, _ in known + new}
    assert converted.meta["counts"] == {"users": 2100, "items": len(items), "interactions": len(known) + len(new)}
    country = dict(enumerate(sessions["locale"], start=1))
    by_locale = Counter(country[int(user.removeprefix("task2-"))] for user, _, _ in known + new)
    assert {tag.upper(): counts["interactions"] for tag, counts in converted.meta["languages"].items()} == by_locale
    assert dict(zip(found["user"]["user_id"], found["user"]["country"], strict=True)) == {
        f"task2-{row}": locale for row, locale in country.items()
    }

    columns = {"inter": ["user_id", "item_id", "timestamp"]}
    dataset = stock_dataset(converted, benchmark_filename=["train", "test", "test"], load_col=columns)
    assert (dataset.user_num - 1, dataset.item_num - 1) == (2100, len(items))
    train, test, _ = dataset.build()
    assert (train.inter_num, test.inter_num) == (len(known), len(new))
