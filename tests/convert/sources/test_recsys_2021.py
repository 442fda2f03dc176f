"""RecSys Challenge 2021: engagements of several kinds, hashed languages, texts as token numbers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.convert.sources.recsys_2021 import decoded
from recbole_xlrec.errors import ConfigError, DataError

Convert = Callable[..., Converted]
RAW = Path(__file__).parents[2] / "data" / "raw" / "recsys-2021"
_PIECES = pl.Series(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##be", "##kannt", "漢", "字", "&", "lt", ";"])


def test_a_folder_without_parts_is_refused(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataError, match=r"holds no part-\*"):
        convert("recsys-2021", tmp_path / "raw")


def test_rows_without_engagements_as_of_the_test_files_are_refused(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "part-0").write_text("\x01".join("x" * 20) + "\n")
    with pytest.raises(DataError, match="not 24 cells"):
        convert("recsys-2021", tmp_path / "raw")


@pytest.mark.parametrize(
    ("kind", "pairs"),
    [
        ("any", {("U1", "T1"), ("U1", "T2"), ("U1", "T7"), ("U2", "T3"), ("U3", "T4")}),
        ("like", {("U1", "T1"), ("U1", "T2"), ("U1", "T7")}),
        ("retweet", {("U2", "T3")}),
        ("reply", {("U1", "T2")}),
        ("quote", {("U3", "T4")}),
    ],
)
def test_only_the_engagements_asked_for_count(
    convert: Convert, tables: Any, kind: str, pairs: set[tuple[str, str]]
) -> None:
    converted = convert("recsys-2021", RAW, max_rejected=1, settings={"engagement": kind})
    found = tables(converted)["inter"]
    assert set(zip(found["user_id"], found["item_id"], strict=True)) == pairs
    assert list(found.columns) == ["user_id", "item_id", "timestamp"]


def test_without_a_vocabulary_no_text_is_written_and_said(
    convert: Convert, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = shutil.copytree(RAW, tmp_path / "raw")
    (raw / "vocab.txt").unlink()
    converted = convert("recsys-2021", raw, max_rejected=1)
    assert not (converted.folder / "recsys-2021.text").exists()
    assert "No texts are written" in caplog.text


def test_a_vocabulary_may_lie_elsewhere(convert: Convert, tmp_path: Path, tables: Any) -> None:
    raw = shutil.copytree(RAW, tmp_path / "raw")
    vocabulary = shutil.move(raw / "vocab.txt", tmp_path / "vocab.txt")
    converted = convert("recsys-2021", raw, max_rejected=1, settings={"vocabulary": str(vocabulary)})
    assert tables(converted)["text"]["title"][0] == "Hello world !"


def test_another_file_is_no_vocabulary(convert: Convert, tmp_path: Path) -> None:
    raw = shutil.copytree(RAW, tmp_path / "raw")
    (raw / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(DataError, match="no vocabulary of BERT"):
        convert("recsys-2021", raw, max_rejected=1)


@pytest.mark.parametrize("value", ["H1=en,H2", "H1=en=de"])
def test_a_list_of_languages_that_is_none_is_an_error(convert: Convert, value: str) -> None:
    with pytest.raises(ConfigError, match="write hash=tag,hash=tag"):
        convert("recsys-2021", RAW, max_rejected=1, settings={"languages": value})


def test_a_language_that_is_none_is_an_error(convert: Convert) -> None:
    with pytest.raises(DataError, match="'xx1'"):
        convert("recsys-2021", RAW, max_rejected=1, settings={"languages": "H1=xx1"})


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("2\t4\t5\t6\t3", "unbekannt"),
        ("2\t7\t8\t7\t8\t4\t3", "漢字漢字 un"),
        ("4\t1\t99\tx\t4", "un \ufffd \ufffd \ufffd un"),
        ("4\t9\t10\t11\t4", "un &lt; un"),
        ("2\t3", None),
        (None, None),
    ],
)
def test_tokens_become_text(tokens: str | None, text: str | None) -> None:
    assert decoded(pl.Series([tokens], dtype=pl.String), _PIECES).to_list() == [text]


def test_decoding_keeps_the_rows_apart() -> None:
    rows = pl.Series([f"{4 + place % 2 * 3}\t8" if place % 3 else None for place in range(999)])
    expected = [("un 字", "漢字")[place % 2] if place % 3 else None for place in range(999)]
    assert decoded(rows, _PIECES).to_list() == expected
