"""The older Amazon reviews: files told by their header, products once a market, versions across markets."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.errors import ConfigError, DataError

Convert = Callable[..., Converted]
NAME = "amazon-reviews-pds"
RAW = Path(__file__).parents[2] / "data" / "raw" / NAME
US = RAW / "amazon_reviews_us_Mixed_v1_00.tsv"


def test_a_file_of_another_name_is_known_by_its_header(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "toys.tsv").write_bytes(US.read_bytes())
    (tmp_path / "other.tsv").write_text("a\tb\n1\t2\n")
    found = convert(NAME, tmp_path, max_rejected=1)
    assert list(found.meta["inputs"]) == ["toys.tsv"]
    assert found.meta["counts"] == {"users": 3, "items": 3, "interactions": 4}


def test_no_file_with_the_header_is_refused(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "other.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(DataError, match=r"holds no amazon_reviews_\*\.tsv; it holds 'other\.tsv'"):
        convert(NAME, tmp_path)


def test_a_misspelt_id_is_refused(convert: Convert) -> None:
    with pytest.raises(ConfigError, match=r"id=parent: choose one of product_id, product_parent"):
        convert(NAME, RAW, settings={"id": "parent"})


def test_a_product_is_passed_on_once_for_each_language(convert: Convert, monkeypatch: pytest.MonkeyPatch) -> None:
    from recbole_xlrec.convert.items import Items

    passed: list[tuple[str, str]] = []
    whole = Items.run

    def run(self: Items, batches: Any) -> Items:
        kept = list(batches)
        passed.extend(row for batch in kept for row in batch.frame.select("item_id", "language").rows())
        return whole(self, kept)

    monkeypatch.setattr(Items, "run", run)
    convert(NAME, RAW, max_rejected=1)
    assert len(passed) == len(set(passed)) == 6  # of 12 sound rows


def test_versions_are_one_item_across_markets(convert: Convert, tables: Any) -> None:
    found = tables(convert(NAME, RAW, settings={"id": "product_parent"}, max_rejected=1))
    assert sorted(found["text"]["language"][found["text"]["item_id"] == "900002"]) == ["en", "fr"]
    assert len(found["item"][found["item"]["item_id"] == "900002"]) == 1


@pytest.mark.data
def test_the_real_samples(convert: Convert, real_data: Path, tables: Any, stock_dataset: Any) -> None:
    rows = []
    for path in sorted((real_data / "raw" / "amazon_pds").glob("sample_*.tsv")):
        with path.open(encoding="utf-8", newline="") as handle:
            rows += list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    converted = convert(NAME, real_data / "raw" / "amazon_pds")
    counts = {
        "users": len({row["customer_id"] for row in rows}),
        "items": len({row["product_id"] for row in rows}),
        "interactions": len(rows),
    }
    assert counts["interactions"] == 98
    assert converted.meta["counts"] == counts
    assert converted.meta["rejected"] == {}
    languages = {"US": "en", "FR": "fr"}
    told = {tag: found["interactions"] for tag, found in converted.meta["languages"].items()}
    assert told == {languages[market]: sum(row["marketplace"] == market for row in rows) for market in languages}
    found = tables(converted)
    written = set(zip(*(found["inter"][name] for name in ("user_id", "item_id", "rating")), strict=True))
    assert written == {(row["customer_id"], row["product_id"], float(row["star_rating"])) for row in rows}
    works = found["item"].set_index("item_id")["work_id"].to_dict()
    assert works == {row["product_id"]: row["product_parent"] for row in rows}
    countries = found["user"].set_index("user_id")["country"].to_dict()
    assert countries == {row["customer_id"]: row["marketplace"] for row in reversed(rows)}

    dataset = stock_dataset(converted)
    assert (dataset.user_num - 1, dataset.item_num - 1, dataset.inter_num) == tuple(counts.values())
