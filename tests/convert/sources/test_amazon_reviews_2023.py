"""Amazon Reviews 2023: its three forms, several categories, versions of a product."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.errors import ConfigError, DataError

Convert = Callable[..., Converted]
NAME = "amazon-reviews-2023"
RAW = Path(__file__).parents[2] / "data" / "raw"
HEADER = "user_id,parent_asin,rating,timestamp\n"


def _review(user: str, parent: str, asin: str) -> str:
    return json.dumps({"user_id": user, "parent_asin": parent, "asin": asin, "rating": 5.0, "timestamp": 1600000000000})


def test_the_form_must_be_named_where_there_are_several(convert: Convert, tables: Any) -> None:
    raw = RAW / "amazon-reviews-2023-splits"
    with pytest.raises(ConfigError, match=r"in 2 forms \(splits: .*Toys\.train\.csv.*ratings: 'Games\.csv'"):
        convert(NAME, raw, max_rejected=1)
    found = tables(convert(NAME, raw, settings={"form": "ratings"}, max_rejected=1))
    assert found["inter"]["item_id"].tolist() == ["B99"]


def test_categories_side_by_side_become_one_dataset(convert: Convert, tables: Any) -> None:
    found = tables(convert(NAME, RAW / "amazon-reviews-2023-splits", settings={"form": "splits"}, max_rejected=1))
    assert found["train.inter"]["item_id"].tolist() == ["B09", "B01", "B02", "B09", "B02"]
    assert sorted(found) == ["item", "test.inter", "text", "train.inter", "user", "valid.inter"]


def test_splits_can_be_put_together(convert: Convert, tables: Any) -> None:
    raw = RAW / "amazon-reviews-2023-splits"
    found = tables(convert(NAME, raw, settings={"category": "Toys", "form": "splits"}, whole=True, max_rejected=1))
    assert found["inter"]["timestamp"].tolist() == [
        1500000000,
        1500000001,
        1500000004,
        1500000005,
        1500000002,
        1500000006.999,
    ]


def test_a_category_that_is_not_there_is_refused_with_those_that_are(convert: Convert) -> None:
    with pytest.raises(ConfigError, match=r"category=Toy: not in the folder.*'Toys'.*There are: 'Games', 'Toys'"):
        convert(NAME, RAW / "amazon-reviews-2023-splits", settings={"category": "Toy"})


def test_the_same_file_packed_and_unpacked_is_refused(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "Toys.csv").write_text(HEADER + "u,i,5.0,1600000000000\n")
    (tmp_path / "Toys.csv.gz").write_bytes(gzip.compress((tmp_path / "Toys.csv").read_bytes()))
    with pytest.raises(DataError, match=r"more than once: 'Toys\.csv', 'Toys\.csv\.gz'"):
        convert(NAME, tmp_path)


def test_benchmark_files_do_not_tell_versions_apart(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "Toys.csv").write_text(HEADER + "u,i,5.0,1600000000000\n")
    with pytest.raises(ConfigError, match=r"only the reviews, CATEGORY\.jsonl"):
        convert(NAME, tmp_path, settings={"id": "asin"})


def test_versions_keep_their_product_as_work(convert: Convert, tables: Any, tmp_path: Path) -> None:
    rows = [_review("u1", "P", "V1"), _review("u2", "P", "V2"), _review("u3", "Q", "Q"), _review("u1", "P", "V1")]
    (tmp_path / "Toys.jsonl").write_text("\n".join(rows) + "\n")
    (tmp_path / "meta_Toys.jsonl").write_text(json.dumps({"parent_asin": "P", "title": "Puzzle"}) + "\n")
    found = tables(convert(NAME, tmp_path, settings={"id": "asin"}))
    assert found["item"].set_index("item_id")["work_id"].to_dict() == {"V1": "P", "V2": "P", "Q": "Q"}
    assert found["text"]["title"].tolist() == ["Puzzle", "Puzzle"]


def test_a_broken_review_is_set_aside_once_though_the_file_is_read_twice(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "Toys.jsonl").write_text(_review("u1", "P", "V1") + "\n{broken\n")
    found = convert(NAME, tmp_path, settings={"id": "asin"}, max_rejected=1)
    assert found.meta["rejected"] == {"not a JSON object": 1}


def test_a_folder_of_something_else_is_refused(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "meta_Toys.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"holds no CATEGORY\.jsonl or CATEGORY\.csv; it holds 'meta_Toys\.jsonl'"):
        convert(NAME, tmp_path)


@pytest.mark.parametrize(
    ("price", "expected"),
    [("$12.99", 12.99), (3, 3), ("$1,012.50", 1012.5), ("from 9.00", 9), ("None", None), (None, None), ("—", None)],
)
def test_prices_are_numbers(
    convert: Convert, tables: Any, tmp_path: Path, price: object, expected: float | None
) -> None:
    (tmp_path / "Toys.csv").write_text(HEADER + "u,P,5.0,1600000000000\n")
    (tmp_path / "meta_Toys.jsonl").write_text(json.dumps({"parent_asin": "P", "price": price}) + "\n")
    found = tables(convert(NAME, tmp_path))["item"]["price"]
    assert found.isna().all() if expected is None else found.tolist() == [expected]
