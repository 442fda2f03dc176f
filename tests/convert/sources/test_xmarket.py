"""XMarket and its WSDM Cup layout: markets and categories by file name, 5-cores, splits, candidates."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.errors import ConfigError, DataError

Convert = Callable[..., Converted]
RAW = Path(__file__).parents[2] / "data" / "raw"
_QREL = "userId\titemId\trating\n"


@pytest.mark.parametrize(
    ("source", "missing"),
    [("xmarket", r"no ratings_jp_Electronics\.txt\.gz"), ("xmarket-wsdm22", r"no train_5core\.tsv")],
)
def test_a_folder_without_interactions_is_refused(convert: Convert, tmp_path: Path, source: str, missing: str) -> None:
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataError, match=missing):
        convert(source, tmp_path / "raw")


def test_the_published_ratings_are_taken_before_the_5_cores(convert: Convert, tables: Any) -> None:
    found = tables(convert("xmarket", RAW / "xmarket-5core"))
    assert found["inter"]["item_id"].tolist() == ["B0RAWONLY0"]


def test_a_market_that_is_not_there_is_an_error(convert: Convert) -> None:
    with pytest.raises(ConfigError, match=r"no market 'fr'.*'in', 'jp', 'us'"):
        convert("xmarket", RAW / "xmarket-5core", settings={"core": "5core", "markets": "jp,fr"})


def test_a_category_that_is_not_there_is_an_error(convert: Convert) -> None:
    with pytest.raises(ConfigError, match=r"category=Book: not in the folder\. Did you mean 'Books'"):
        convert("xmarket", RAW / "xmarket", settings={"category": "Book"})


def test_categories_of_one_market_come_together(convert: Convert, tables: Any) -> None:
    found = tables(convert("xmarket", RAW / "xmarket", max_rejected=1, settings={"markets": "in"}))
    assert set(found["inter"]["item_id"]) == {"8172234988", "B00GG59HU2", "B00NXOMA8A"}
    assert set(found["text"]["language"]) == {"en"}  # those of other markets are left alone
    assert found["item"].set_index("item_id")["category"]["8172234988"] == "Books"


def test_a_header_of_the_ratings_is_set_aside(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    lines = "userId itemId rate date\nU1 I1 5.0 2020-01-01\nU2 I1 5.0 2020-01-01\n"
    (tmp_path / "raw" / "ratings_jp_Books.txt").write_text(lines)
    converted = convert("xmarket", tmp_path / "raw", max_rejected=0.5)
    assert converted.meta["rejected"] == {"no rating that is a number": 1}
    assert converted.meta["counts"]["interactions"] == 2


def test_5_cores_without_their_header_are_refused(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "jp_5core.txt").write_text("U1 I1 5.0 2020-01-01\n")
    with pytest.raises(DataError, match="is the header line missing"):
        convert("xmarket", tmp_path / "raw")


def test_a_market_of_no_known_language_is_refused(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "ratings_zz_Books.txt").write_text("U1 I1 5.0 2020-01-01\n")
    with pytest.raises(DataError, match="No language is known for the market 'zz'"):
        convert("xmarket", tmp_path / "raw")


def test_ratings_can_be_preferred_to_the_splits(convert: Convert, tmp_path: Path) -> None:
    raw = shutil.copytree(RAW / "xmarket-splits", tmp_path / "raw")
    (raw / "jp_5core.txt").write_text("userId itemId rate date\nU1 I1 5.0 2020-01-01\n")
    assert convert("xmarket", raw, settings={"core": "5core"}).meta["files"] == {"inter": 1}


def test_without_negatives_candidates_are_left_alone(convert: Convert, tables: Any) -> None:
    found = tables(convert("xmarket-wsdm22", RAW / "xmarket-wsdm22", max_rejected=1))
    assert "test.inter" not in found
    assert list(zip(found["valid.inter"]["user_id"], found["valid.inter"]["item_id"], strict=True)) == [
        ("t1U1000001", "P1000002"),
        ("t1U1000002", "P1000004"),
    ]


def test_one_market_can_be_chosen(convert: Convert, tables: Any) -> None:
    converted = convert("xmarket-wsdm22", RAW / "xmarket-wsdm22", max_rejected=1, settings={"markets": "s1"})
    assert converted.meta["files"] == {"inter": 3}  # it has no part to be judged by
    assert set(tables(converted)["user"]["country"]) == {"s1"}


def test_the_message_names_the_other_training_file(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "raw" / "t2").mkdir(parents=True)
    (tmp_path / "raw" / "t2" / "train.tsv").write_text(_QREL + "t2U1\tP1\t5.0\n")
    with pytest.raises(DataError, match=r"'t2'.*--option train=full"):
        convert("xmarket-wsdm22", tmp_path / "raw")


@pytest.mark.data
def test_the_real_5_cores(convert: Convert, real_data: Path, tables: Any, stock_dataset: Any) -> None:
    parts = {}
    for market in ("in", "jp"):
        part = pd.read_csv(real_data / "raw" / "xmarket" / f"{market}_5core.txt", sep=" ", dtype={"itemId": str})
        parts[market] = part.drop_duplicates()
    both = pd.concat(parts.values())
    converted = convert("xmarket", real_data / "raw" / "xmarket")
    counts = {"users": both["userId"].nunique(), "items": both["itemId"].nunique(), "interactions": len(both)}
    assert converted.meta["counts"] == counts
    told = {tag: (found["users"], found["interactions"]) for tag, found in converted.meta["languages"].items()}
    assert told == {
        "en": (parts["in"]["userId"].nunique(), len(parts["in"])),
        "ja": (parts["jp"]["userId"].nunique(), len(parts["jp"])),
    }
    days = (pd.to_datetime(both["date"]) - pd.Timestamp("1970-01-01")).dt.days * 86_400
    expected = Counter(zip(both["userId"], both["itemId"], both["rate"], days, strict=True))
    rows = tables(converted)["inter"]
    numbers = (rows[name].astype(float) for name in ("rating", "timestamp"))
    assert Counter(zip(rows["user_id"], rows["item_id"], *numbers, strict=True)) == expected

    dataset = stock_dataset(converted)
    assert (dataset.user_num - 1, dataset.item_num - 1, dataset.inter_num) == tuple(counts.values())


@pytest.mark.data
def test_the_real_cup_files(convert: Convert, real_data: Path, tables: Any, stock_dataset: Any) -> None:
    folder = real_data / "raw" / "wsdm22"
    train, right = (
        {tuple(line.split("\t")[:2]) for line in (folder / name).read_text().splitlines()[1:]}
        for name in ("train_5core.tsv", "valid_qrel.tsv")
    )
    runs = [line.split("\t") for line in (folder / "valid_run.tsv").read_text().splitlines()]
    shown = {(user, item) for user, items in runs for item in items.split(",")}
    converted = convert("xmarket-wsdm22", folder, negatives=True)
    rows = tables(converted)["valid.inter"]
    labels = dict(zip(zip(rows["user_id"], rows["item_id"], strict=True), rows["label"].astype(int), strict=True))
    assert labels == {pair: int(pair in right) for pair in shown | right}
    users = {user for user, _ in train | right | shown}
    assert converted.meta["counts"]["users"] == len(users)
    assert converted.meta["languages"]["und"]["interactions"] == len(train) + len(shown | right)

    columns = {"inter": ["user_id", "item_id", "label"]}
    dataset = stock_dataset(converted, benchmark_filename=["train", "valid", "valid"], load_col=columns)
    assert dataset.user_num - 1 == len(users)
    assert dataset.item_num - 1 == len({item for _, item in train | right | shown})
    train_set, valid_set, _ = dataset.build()
    assert (train_set.inter_num, valid_set.inter_num) == (len(train), len(labels))
