"""MicroLens: titles under several names and in two forms, their languages told or found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.errors import DataError

Convert = Callable[..., Converted]
PAIRS = "user,item,timestamp\n1,7,1662984066763\n2,8,1662984066764\n"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A folder with pairs and no titles."""
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "MicroLens-50k_pairs.csv").write_text(PAIRS, encoding="utf-8")
    return folder


def test_without_pairs_the_layout_is_named(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataError, match=r"holds no \*_pairs\.csv"):
        convert("microlens", tmp_path / "raw")


def test_two_sizes_in_one_folder_are_refused(convert: Convert, raw: Path) -> None:
    (raw / "MicroLens-100k_pairs.csv").write_text(PAIRS)
    with pytest.raises(DataError, match="2 files like"):
        convert("microlens", raw)


def test_without_titles_the_language_is_not_known(convert: Convert, raw: Path) -> None:
    assert list(convert("microlens", raw).meta["languages"]) == ["und"]


@pytest.mark.parametrize(
    ("name", "text", "language"),
    [
        ("MicroLens-50k_titles.csv", "item,title\n7,A dog barks\n8,One (一) cat\n", "en"),
        ("MicroLens-50k_titles.csv", "item,title\n7,小狗 dog\n8,小猫\n", "zh"),
        ("MicroLens-1M_title.csv", "7,小狗\n8,小猫\n", "zh"),
        ("MicroLens-100k_title_en.csv", "7,小狗\n8,小猫\n", "en"),
        ("titles_CN.csv", "videoID,title\n7,TikTok\n8,vlog\n", "zh"),
    ],
)
def test_the_language_is_that_of_the_name_or_else_of_the_script(
    name: str, text: str, language: str, convert: Convert, raw: Path, tables: Any
) -> None:
    (raw / name).write_text(text, encoding="utf-8")
    found = tables(convert("microlens", raw))
    assert found["text"]["language"].tolist() == [language] * 2
    assert found["item"]["language"].tolist() == [language] * 2


def test_titles_and_their_languages_can_be_named(convert: Convert, raw: Path, tmp_path: Path, tables: Any) -> None:
    (tmp_path / "mine.csv").write_text("7,Ein Hund, er schläft\n", encoding="utf-8")
    (raw / "below.csv").write_text("item,title\n8,Chat\n", encoding="utf-8")
    found = tables(convert("microlens", raw, settings={"titles": f"{tmp_path / 'mine.csv'}:de, below.csv:fr"}))
    rows = found["text"][["item_id", "language", "title"]].to_numpy().tolist()
    assert rows == [["7", "de", "Ein Hund, er schläft"], ["8", "fr", "Chat"]]


def test_titles_that_are_named_and_not_there_are_missed(convert: Convert, raw: Path) -> None:
    with pytest.raises(DataError, match=r"no_such\.csv does not exist"):
        convert("microlens", raw, settings={"titles": "no_such.csv:zh"})


def test_an_unbalanced_quote_costs_no_other_title(convert: Convert, raw: Path, tables: Any) -> None:
    (raw / "MicroLens-1M_title.csv").write_text('7,"小狗\n8,小"猫"\n', encoding="utf-8")
    assert tables(convert("microlens", raw))["text"]["title"].tolist() == ['"小狗', '小"猫"']


def test_a_title_file_of_another_form_is_refused(convert: Convert, raw: Path) -> None:
    (raw / "MicroLens-50k_titles.csv").write_text("item\ttitle\n7\tdog\n", encoding="utf-8")
    with pytest.raises(DataError, match="expected lines of an item, a comma and its title"):
        convert("microlens", raw)
