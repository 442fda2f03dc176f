from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recbole_xlrec.data.atomic import read_atomic, write_atomic
from recbole_xlrec.errors import DataError


def refused(path: Path, frame: pd.DataFrame, types: dict[str, str] | None = None) -> str:
    """Returns why a table is not written, having seen that nothing was."""
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(DataError) as error:
        write_atomic(path, frame, types)
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before
    return str(error.value)


@pytest.mark.parametrize("name", ["user_id", "item_id", "work_id", "language"])
@pytest.mark.parametrize("bad", ["", None, "a\tb", "a\nb", "a\r", "\0a", "\x1fa", " a", "a ", "a\u3000", "\u00a0a"])
def test_unsound_ids_are_refused_by_column_count_and_value(tmp_path: Path, name: str, bad: str | None) -> None:
    message = refused(tmp_path / "toy.item", pd.DataFrame({name: ["ok", bad, "ok", bad]}))
    assert f"toy.item: column '{name}': 2 of the cells" in message
    assert repr(bad or "") in message


def test_only_the_first_few_bad_ids_are_listed(tmp_path: Path) -> None:
    message = refused(tmp_path / "x", pd.DataFrame({"item_id": [f" {row}" for row in range(50)]}))
    assert "50 of the cells" in message
    assert "' 4', … (50 in all)" in message


@pytest.mark.parametrize("bad", [1.5, 3.0, b"x", ["x"], pd.Timestamp(0)])
def test_token_cells_that_are_not_text_or_whole_numbers_are_refused(tmp_path: Path, bad: object) -> None:
    frame = pd.DataFrame({"item_id": ["1", "2"], "title": pd.Series(["a", bad], dtype=object)})
    assert "column 'title': 1 of the cells are neither text nor whole numbers" in refused(tmp_path / "x", frame)


@pytest.mark.parametrize(
    "bad, shown", [("a\0b", "NUL"), ("a\ud800", "surrogate"), ("x" * 131_073, "131072 characters")]
)
def test_text_that_no_reader_gives_back_is_refused_with_what_to_do(tmp_path: Path, bad: str, shown: str) -> None:
    for name, cell in (("title", bad), ("category", [bad])):
        frame = pd.DataFrame({"item_id": ["1", "2"], name: pd.Series(["a", cell], dtype=object)})
        message = refused(tmp_path / "x", frame)
        assert shown in message
        assert f"column '{name}': 1 of the cells" in message
        assert len(message) < 500


def test_a_cell_of_just_the_longest_length_reads_back(tmp_path: Path) -> None:
    frame = pd.DataFrame({"item_id": ["1"], "title": ['"' * 131_072]})
    write_atomic(tmp_path / "x", frame)
    pd.testing.assert_frame_equal(read_atomic(tmp_path / "x"), frame)


@pytest.mark.parametrize("bad", ["4", "", "x", pd.Timestamp(0), [1], 1j])
def test_float_cells_that_are_not_numbers_are_refused(tmp_path: Path, bad: object) -> None:
    frame = pd.DataFrame({"item_id": ["1", "2"], "rating": pd.Series([1.0, bad], dtype=object)})
    assert "column 'rating': 1 of the cells are not numbers" in refused(tmp_path / "x", frame)


def test_dates_are_refused_rather_than_turned_into_nanoseconds(tmp_path: Path) -> None:
    frame = pd.DataFrame({"item_id": ["1"], "timestamp": pd.to_datetime(["2020-01-01"])})
    assert "dates into seconds" in refused(tmp_path / "x", frame)


@pytest.mark.parametrize("dtype", [np.int64, object, "Int64"])
def test_whole_numbers_that_floats_would_round_are_refused(tmp_path: Path, dtype: object) -> None:
    frame = pd.DataFrame({"item_id": ["1", "2"], "timestamp": pd.Series([2**53 + 1, 2**53], dtype=dtype)})
    assert "1 of the cells are beyond 2**53" in refused(tmp_path / "x", frame)


@pytest.mark.parametrize(
    "kind, cell, why",
    [
        ("token_seq", ["a b"], "holds a blank"),
        ("token_seq", ["a", ""], "is empty"),
        ("token_seq", ["a", None], "is empty"),
        ("token_seq", 7, "neither a list"),
        ("token_seq", {"a"}, "neither a list"),
        ("float_seq", ["a"], "not a number"),
        ("float_seq", [1.0, None], "not a number"),
        ("float_seq", "1 x", "not a number"),
    ],
)
def test_sequences_that_would_read_back_otherwise_are_refused(
    tmp_path: Path, kind: str, cell: object, why: str
) -> None:
    frame = pd.DataFrame({"item_id": ["1", "2"], "seq": pd.Series([None, cell], dtype=object)})
    assert why in refused(tmp_path / "x", frame, {"seq": kind})


def test_columns_without_a_type_or_with_an_unknown_one_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"titel": ["a"]})
    message = refused(tmp_path / "x", frame)
    assert "no type is known for column 'titel'" in message
    assert "Did you mean 'title'?" in message
    message = refused(tmp_path / "x", frame, {"titel": "tokens"})
    assert "unknown type 'tokens'" in message
    assert "Did you mean 'token'?" in message


def test_column_names_that_occur_twice_or_cannot_stand_in_a_header_are_refused(tmp_path: Path) -> None:
    twice = pd.DataFrame([["a", "b"]], columns=["title", "title"])
    assert "'title' occur more than once" in refused(tmp_path / "x", twice)
    for name in ("a:b", "a\tb", "", " a", 'a"', 3):
        message = refused(tmp_path / "x", pd.DataFrame({name: ["a"]}), {name: "token"})  # type: ignore[dict-item]
        assert f"column names {name!r}" in message
    assert "no columns" in refused(tmp_path / "x", pd.DataFrame())


@pytest.mark.parametrize("blank", ["", "  ", None, "\n"])
def test_blank_cells_in_an_only_column_are_refused_as_recbole_skips_them(tmp_path: Path, blank: str | None) -> None:
    assert "1 cells of its one column 'title' are blank" in refused(
        tmp_path / "x", pd.DataFrame({"title": ["a", blank]})
    )


def test_a_write_that_fails_midway_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "toy.item"
    write_atomic(path, pd.DataFrame({"item_id": ["old"]}))
    monkeypatch.setattr("recbole_xlrec.data.atomic.CHUNK", 2)
    calls = []

    def failing(values: pd.Series, kind: str) -> list[str]:
        calls.append(kind)
        if len(calls) > 3:
            raise OSError("disk full")
        return values.tolist()

    monkeypatch.setattr("recbole_xlrec.data.atomic.encode", failing)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, pd.DataFrame({"item_id": list("abcdef"), "title": list("abcdef")}))
    assert path.read_text() == "item_id:token\nold\n"
    assert list(tmp_path.iterdir()) == [path]


HEAD = b"item_id:token\ttitle:token\trating:float\n"


@pytest.mark.parametrize(
    "content, told",
    [
        (b"", "is empty"),
        (b"item_id\ttitle:token\n", "does not type 'item_id'"),
        (b"a:b:token\n", "does not type 'a:b:token'"),
        (b"item_id:int\n", "unknown type 'int'"),
        (b"a:token\ta:float\n", "'a' occur more than once"),
        (b"\xef\xbb\xbfitem_id:token\n", "byte-order mark"),
        (HEAD + b"1\tx\t1\n2\tx\n", "line 3: 2 cells where the header has 3"),
        (HEAD + b"1\tx\t1\n2\tx\t1\t\n", "line 3: 4 cells where the header has 3"),
        (HEAD + b'1\t"a\nb"\t1\n2\tx\n', "line 4: 2 cells where the header has 3"),
        (HEAD + b'1\tx\t1\n2\t"Great" cats\t1\n', "line 3: '\t' expected after '\"'"),
        (HEAD + b'1\tx\t1\n2\t"Great\t1\n3\tx\t1\n', "line 3: unexpected end of data"),
        (HEAD + b"1\tx\0\t1\n", "line 2: line contains NUL"),
        (HEAD + b"1\tx\t1\n2\tx\tfive\n", "1 of the cells in column 'rating' are not numbers: 'five', in lines 3"),
        (HEAD + b'1\t"\n"\t1\n2\tx\t1_0\n', "not numbers: '1_0', in lines 4"),
        (HEAD + b"1\tx\t1\n2\tM\xfcnchen\t1\n", "line 3: not UTF-8 (byte 4 is 0xfc)"),
        (HEAD + b'1\t"x"\t1\n2\tM\xfcnchen\t1\n', "line 3: not UTF-8 (byte 4 is 0xfc)"),
        (b"M\xfcnchen:token\n", "line 1: not UTF-8"),
    ],
)
def test_unreadable_files_are_refused_by_file_and_line(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "toy.item"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(told)) as error:
        read_atomic(path)
    assert str(path) in str(error.value)


def test_a_missing_column_is_named_with_those_there(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(HEAD)
    with pytest.raises(DataError, match=r"no column 'titel'.*'item_id', 'title', 'rating'.*Did you mean 'title'"):
        read_atomic(tmp_path / "x", ["item_id", "titel"])


def test_a_missing_file_is_named_with_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "toy.item").touch()
    with pytest.raises(DataError, match=r"toy\.itm does not exist.*Did you mean 'toy\.item'"):
        read_atomic(tmp_path / "toy.itm")
