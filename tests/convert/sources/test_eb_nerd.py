"""EB-NeRD: splits by folder, histories once with their times, clicks only, articles where they are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import polars as pl
import pytest

from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.errors import DataError

Convert = Callable[..., Converted]
RAW = Path(__file__).parents[2] / "data" / "raw"


def _behaviors(path: Path, clicked: list[int], user: int = 7) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    row = {"user_id": user, "impression_time": datetime(2023, 5, 18), "gender": 0, "age": 40, "postcode": None}
    lists = {"article_ids_inview": [1, 2], "article_ids_clicked": clicked}
    pl.DataFrame([{**row, "is_subscriber": True, **lists}]).write_parquet(path)


def test_a_folder_of_the_unpublished_test_part_alone_is_refused(convert: Convert, tmp_path: Path) -> None:
    _behaviors(tmp_path / "raw" / "test" / "behaviors.parquet", [1])
    with pytest.raises(DataError, match=r"holds no behaviors\.parquet or train/behaviors\.parquet"):
        convert("eb-nerd", tmp_path / "raw")


def test_histories_articles_and_splits_may_be_missing(convert: Convert, tmp_path: Path) -> None:
    _behaviors(tmp_path / "raw" / "behaviors.parquet", [1])
    found = convert("eb-nerd", tmp_path / "raw")
    assert found.meta["files"] == {"inter": 1}
    assert not (found.folder / "eb-nerd.text").exists()


def test_train_with_the_test_part_is_not_split(convert: Convert, tmp_path: Path) -> None:
    _behaviors(tmp_path / "raw" / "train" / "behaviors.parquet", [1])
    _behaviors(tmp_path / "raw" / "test" / "behaviors.parquet", [2])
    assert convert("eb-nerd", tmp_path / "raw").meta["files"] == {"inter": 1}


def test_a_zip_is_read_in_place(convert: Convert, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "ebnerd_small.zip", "w") as archive:
        for path in (RAW / "eb-nerd").rglob("*.parquet"):
            archive.write(path, path.relative_to(RAW / "eb-nerd"))
    found = convert("eb-nerd", tmp_path / "ebnerd_small.zip", max_rejected=1)
    assert found.meta["files"] == {"train.inter": 7, "valid.inter": 2}


def test_a_file_without_its_columns_is_refused(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    pl.DataFrame({"user_id": [1]}).write_parquet(tmp_path / "raw" / "behaviors.parquet")
    with pytest.raises(DataError, match=r"behaviors\.parquet: no column 'gender'"):
        convert("eb-nerd", tmp_path / "raw")


def test_a_truncated_file_is_refused(convert: Convert, tmp_path: Path) -> None:
    whole = (RAW / "eb-nerd-negatives" / "behaviors.parquet").read_bytes()
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "behaviors.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="no sound Parquet file"):
        convert("eb-nerd", tmp_path / "raw")


@pytest.mark.data
def test_the_real_slice(convert: Convert, real_data: Path, tables: Any, stock_dataset: Any) -> None:
    converted = convert("eb-nerd", real_data / "raw" / "ebnerd")
    clicks = pl.read_parquet(real_data / "raw" / "ebnerd" / "behaviors.parquet").to_dicts()
    reads = pl.read_parquet(real_data / "raw" / "ebnerd" / "history.parquet").to_dicts()
    events = Counter(
        [_event(row, item, row["impression_time"]) for row in clicks for item in row["article_ids_clicked"]]
        + [
            _event(row, item, time)
            for row in reads
            for item, time in zip(row["article_id_fixed"], row["impression_time_fixed"], strict=True)
        ]
    )
    found = tables(converted)["inter"]
    written = zip(found["user_id"], found["item_id"], found["timestamp"].astype(float), strict=True)
    assert Counter(written) == Counter(set(events))  # exact duplicates are written once
    assert converted.meta["steps"][0]["rows"] == events.total()

    users, items = {user for user, _, _ in events}, {item for _, item, _ in events}
    counts = {"users": len(users), "items": len(items), "interactions": len(events)}
    assert converted.meta["counts"] == counts
    assert converted.meta["languages"] == {"da": counts}

    people = tables(converted)["user"].set_index("user_id")["age"].dropna().to_dict()
    assert people == {str(row["user_id"]): row["age"] for row in clicks if row["age"] is not None}

    dataset = stock_dataset(converted)
    assert dataset.user_num - 1 == len(users)
    assert dataset.item_num - 1 == len(items)
    assert dataset.inter_num == len(events)


def _event(row: dict[str, Any], item: int, time: datetime) -> tuple[str, str, float]:
    return str(row["user_id"]), str(item), time.replace(tzinfo=timezone.utc).timestamp()
