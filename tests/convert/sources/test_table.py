"""Tables by a mapping; and the two shipped mappings, on the real data."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.convert.registry import default_name
from recbole_xlrec.convert.sources.table import shipped
from recbole_xlrec.errors import ConfigError, DataError

Convert = Callable[..., Converted]
Tables = Callable[[Converted], dict[str, pd.DataFrame]]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))


def _stock_counts(dataset: Any) -> tuple[int, int, int]:
    return dataset.user_num - 1, dataset.item_num - 1, dataset.inter_num


@pytest.mark.data
def test_ml_tmdb_is_what_plain_counting_finds(
    real_data: Path, convert: Convert, tables: Tables, stock_dataset: Callable[..., Any]
) -> None:
    films = {row["movieId"]: row for row in _rows(real_data / "ml_tmdb" / "items.tsv")}
    ratings = [row for row in _rows(real_data / "ml_tmdb" / "ratings.tsv") if films[row["movieId"]]["lang"]]
    done = convert("table", real_data / "ml_tmdb", name="ml_tmdb", settings={"mapping": "ml_tmdb"})
    items = {row["movieId"] for row in ratings}
    expected = (len({row["userId"] for row in ratings}), len(items), len(ratings))
    assert expected == (610, 5580, 87515)
    assert _stock_counts(stock_dataset(done, load_col={"inter": ["user_id", "item_id"]})) == expected
    by_language = Counter(films[row["movieId"]]["lang"] for row in ratings)
    assert {tag: row["interactions"] for tag, row in done.meta["languages"].items()} == by_language
    texts = tables(done)["text"]
    native = texts[texts["language"] == texts["item_id"].map(lambda film: films[film]["lang"])]
    assert set(native["item_id"]) == items
    spanish = {film for film in items if films[film]["lang"] == "es"}
    for film in items - spanish:
        year, other = films[film]["title"].strip()[-5:-1], films[film]["hetrec_year"]
        if films[film]["hetrec_title_es"] and year.isdigit() and other and abs(int(year) - int(other)) <= 1:
            spanish.add(film)
    assert set(texts.loc[texts["language"] == "es", "item_id"]) == spanish


@pytest.mark.data
def test_anime_multi_is_what_plain_counting_finds(
    real_data: Path, convert: Convert, tables: Tables, stock_dataset: Callable[..., Any]
) -> None:
    anime = _rows(real_data / "anime_multi" / "items.tsv")
    history = [row["Anime_ID"] for row in _rows(real_data / "anime_multi" / "history.tsv")]
    done = convert("table", real_data / "anime_multi", name="anime_multi", settings={"mapping": "anime_multi"})
    assert _stock_counts(stock_dataset(done)) == (5000, 7390, 520_609)
    columns = [name for name in anime[0] if name.startswith("title_") and name != "title_x-jat"]
    own = {row["anime_ids"]: next((name[6:] for name in columns if row[name]), "und") for row in anime}
    assert tables(done)["item"].set_index("item_id")["language"].to_dict() == own
    by_language = Counter(own[item] for item in history)
    assert {tag: row["interactions"] for tag, row in done.meta["languages"].items()} == by_language
    texts = Counter(tables(done)["text"]["language"])
    assert texts == {name[6:]: count for name in columns if (count := sum(bool(row[name].strip()) for row in anime))}


def _mapped(folder: Path, mapping: dict[str, Any]) -> Path:
    raw = folder / "raw"
    raw.mkdir(exist_ok=True)
    (raw / "m.yaml").write_text(yaml.safe_dump(mapping))
    return raw


def test_a_condition_and_sql_values_are_taken_from_the_raw_columns(
    tmp_path: Path, convert: Convert, tables: Tables
) -> None:
    columns = {"user_id": "u", "item_id": {"sql": "UPPER(i)"}, "language": {"value": "ja"}}
    raw = _mapped(tmp_path, {"interactions": {"file": "a.csv", "columns": columns, "where": "ok = '1'"}})
    (raw / "a.csv").write_text("u,i,ok\nx,a,1\ny,b,0\nz,c,1\n")
    found = tables(convert("table", raw, name="d", settings={"mapping": "m.yaml"}))
    assert found["inter"].to_numpy().tolist() == [["x", "A"], ["z", "C"]]
    assert found["user"]["language"].tolist() == ["ja", "ja"]


def test_several_files_of_one_pattern_are_one_table(tmp_path: Path, convert: Convert, tables: Tables) -> None:
    raw = _mapped(tmp_path, {"interactions": {"file": "part-*.tsv", "columns": {"user_id": "u", "item_id": "i"}}})
    for part in range(3):
        (raw / f"part-{part}.tsv").write_text(f"u\ti\nu{part}\ti1\n")
    done = convert("table", raw, name="d", settings={"mapping": "m.yaml"})
    assert tables(done)["inter"]["user_id"].tolist() == ["u0", "u1", "u2"]


def test_a_column_that_the_file_lacks_is_named(tmp_path: Path, convert: Convert) -> None:
    raw = _mapped(tmp_path, {"interactions": {"file": "a.tsv", "columns": {"user_id": "usr", "item_id": "i"}}})
    (raw / "a.tsv").write_text("user\ti\nu\ti\n")
    with pytest.raises(DataError, match=r"'usr' not found. Did you mean 'user'"):
        convert("table", raw, name="d", settings={"mapping": "m.yaml"})


def test_a_file_of_unknown_format_asks_for_it(tmp_path: Path, convert: Convert) -> None:
    mapping = {"interactions": {"file": "a.dat", "columns": {"user_id": "u", "item_id": "i"}}}
    raw = _mapped(tmp_path, mapping)
    (raw / "a.dat").write_text("u|i\nu1|i1\n")
    with pytest.raises(ConfigError, match=r"a.dat: of which format\? Add format"):
        convert("table", raw, name="d", settings={"mapping": "m.yaml"})
    _mapped(tmp_path, {"interactions": {**mapping["interactions"], "format": "tsv", "separator": "|"}})
    assert convert("table", raw, name="d", settings={"mapping": "m.yaml"}).meta["counts"]["interactions"] == 1


def test_the_name_of_a_dataset_is_that_of_its_mapping() -> None:
    assert default_name("table", {"mapping": "my/shop.yaml"}) == "shop"
    assert default_name("movielens", {}) == "movielens"
    assert shipped() == ["anime_multi", "ml_tmdb"]
