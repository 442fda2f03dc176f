from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_xlrec.data import columns, rows
from recbole_xlrec.data.atomic import read_atomic, read_header, write_atomic

WORDS = ["", "NA", "None", "null", "nan", "N/A", '"', '""', "'", '"a" b', 'a "b"', "a\tb", "a\nb", "a\r\nb", "\r", "\n"]
OTHERS = [
    " ",
    "  a ",
    "👩‍👩‍👧 🇯🇵",
    "שלום עולם",
    "مرحبا",
    "\u202eRTL",
    "\ufeffx",
    "\x85",
    "\u2028",
    "\\",
    "\\n",
    "#",
    ",;|",
    "\x1a",
    "\x7f",
]
CELLS = st.one_of(
    st.sampled_from(WORDS + OTHERS),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
)
TITLES = st.lists(st.tuples(CELLS, CELLS), max_size=8)


def stock_read(path: Path, keep_words: bool) -> pd.DataFrame:
    """Reads a file with the call that stands in RecBole's `Dataset._load_feat`."""
    header = read_header(path)
    frame = pd.read_csv(
        path,
        delimiter="\t",
        usecols=[f"{name}:{kind}" for name, kind in header.items()],
        dtype={f"{name}:{kind}": np.float64 if kind == "float" else str for name, kind in header.items()},
        encoding="utf-8",
        engine="python",
        **({"keep_default_na": False} if keep_words else {}),
    )
    return frame.set_axis(list(header), axis=1)


def text_frame(titles: list[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item_id": [f"i{row}" for row in range(len(titles))],
            "title": [title for title, _ in titles],
            "description": [description for _, description in titles],
        },
        dtype=object,
    )


@settings(deadline=None, max_examples=200)
@given(TITLES)
def test_any_text_reads_back_as_it_was_here_and_in_recbole(titles: list[tuple[str, str]]) -> None:
    frame = text_frame(titles)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "toy.text"
        write_atomic(path, frame)
        pd.testing.assert_frame_equal(read_atomic(path), frame)
        if len(frame):
            pd.testing.assert_frame_equal(stock_read(path, keep_words=True), frame)
        assert len(stock_read(path, keep_words=False)) == len(frame)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_files_of_other_writers_read_as_recbole_reads_them_or_are_refused(
    titles: list[tuple[str, str]], end: str, last: bool
) -> None:
    content = end.join(["title:token\tdescription:token", *("\t".join(row) for row in titles)]) + end * last
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.text"
        path.write_bytes(content.encode())
        try:
            found = read_atomic(path)
        except ValueError:
            return
        pd.testing.assert_frame_equal(found, stock_read(path, keep_words=True), check_dtype=False)


@settings(deadline=None)
@given(st.lists(st.one_of(st.floats(), st.integers(-(2**53), 2**53).map(float)), min_size=1))
def test_floats_read_back_bit_for_bit(numbers: list[float]) -> None:
    frame = pd.DataFrame({"user_id": "u", "rating": numbers})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "toy.inter"
        write_atomic(path, frame)
        found = read_atomic(path)["rating"]
        stock = stock_read(path, keep_words=False)["rating"]
    assert [(value, math.copysign(1, value)) for value in found.dropna()] == [
        (value, math.copysign(1, value)) for value in numbers if value == value
    ]
    assert found.isna().tolist() == [value != value for value in numbers]
    np.testing.assert_allclose(stock, found, rtol=1e-13, atol=1e-300)


def test_everyday_ratings_and_times_are_the_same_floats_in_recbole(tmp_path: Path) -> None:
    ratings = np.round(np.random.default_rng(0).uniform(0, 10, 2000), 2)
    times = np.random.default_rng(1).integers(0, 2_000_000_000, 2000)
    write_atomic(tmp_path / "toy.inter", pd.DataFrame({"user_id": "u", "rating": ratings, "timestamp": times}))
    stock = stock_read(tmp_path / "toy.inter", keep_words=False)
    assert stock["rating"].tolist() == ratings.tolist()
    assert stock["timestamp"].tolist() == times.tolist()


def test_a_quoted_file_gives_the_same_floats_as_a_plain_one(tmp_path: Path) -> None:
    numbers = [0.1, 1 / 3, 1e-300, 5e-324, math.nan, math.inf, -0.0, 1e22]
    for title in ("plain", 'a "quoted" one'):
        write_atomic(tmp_path / "x.item", pd.DataFrame({"title": title, "rating": numbers}))
        np.testing.assert_array_equal(read_atomic(tmp_path / "x.item")["rating"], numbers)


def test_the_words_for_missing_numbers_are_those_of_pandas() -> None:
    from pandas._libs.parsers import STR_NA_VALUES

    assert set(rows.MISSING_NUMBERS) == set(STR_NA_VALUES)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_words_for_missing_are_kept_as_text_and_read_as_missing_numbers(tmp_path: Path, end: str) -> None:
    lines = ["country:token\trating:float", *(f"{word}\t{word}" for word in rows.MISSING_NUMBERS)]
    (tmp_path / "x").write_bytes((end.join(lines) + end).encode())
    found = read_atomic(tmp_path / "x")
    assert found["country"].tolist() == list(rows.MISSING_NUMBERS)
    assert found["rating"].isna().all()


def test_the_file_is_tab_separated_with_a_typed_header_and_least_quoting(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "item_id": [1, 2],
            "title": ['a "b"', None],
            "category": [["x", "y"], np.array(["x", "w"])],
            "vector": [[0.5, 2.0], ()],
            "rating": [4.0, np.nan],
            "timestamp": [1_500_000_000, 7],
        }
    )
    write_atomic(tmp_path / "a" / "b" / "toy.item", frame, {"vector": "float_seq"})
    assert (tmp_path / "a" / "b" / "toy.item").read_bytes().decode() == (
        "item_id:token\ttitle:token\tcategory:token_seq\tvector:float_seq\trating:float\ttimestamp:float\n"
        '1\t"a ""b"""\tx y\t0.5 2\t4\t1500000000\n'
        "2\t\tx w\t\t\t7\n"
    )


def test_sequences_read_back_joined_by_blanks(tmp_path: Path) -> None:
    frame = pd.DataFrame({"item_id": ["1", "2", "3"], "category": [["a", 'b"c'], "d  e", None]})
    write_atomic(tmp_path / "x", frame)
    assert read_atomic(tmp_path / "x")["category"].tolist() == ['a b"c', "d  e", ""]


def test_missing_cells_of_any_kind_become_empty(tmp_path: Path) -> None:
    frame = pd.DataFrame({"item_id": list("abcde"), "title": [None, np.nan, pd.NA, pd.NaT, "NA"]})
    write_atomic(tmp_path / "x", frame)
    assert read_atomic(tmp_path / "x")["title"].tolist() == ["", "", "", "", "NA"]


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_text_columns_of_every_pandas_kind_are_written_alike(tmp_path: Path, dtype: str) -> None:
    frame = pd.DataFrame({"item_id": ["a", "b"], "title": ["x", "y"]}).astype(dtype)
    write_atomic(tmp_path / "x", frame)
    assert read_atomic(tmp_path / "x").values.tolist() == [["a", "x"], ["b", "y"]]


def test_nullable_and_short_numbers_are_written_exactly(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "release_year": pd.array([1999, None], dtype="Int64"),
            "rating": pd.array([3, None], dtype="Int64"),
            "timestamp": np.array([0.1, 2], dtype=np.float32),
        }
    )
    write_atomic(tmp_path / "x", frame)
    found = read_atomic(tmp_path / "x")
    assert found["release_year"].tolist() == ["1999", ""]
    np.testing.assert_array_equal(found["rating"], [3, np.nan])
    assert found["timestamp"].astype(np.float32).tolist() == frame["timestamp"].tolist()


def test_tables_longer_than_one_chunk_are_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbole_xlrec.data.atomic.CHUNK", 3)
    monkeypatch.setattr("recbole_xlrec.data.checks.CHUNK", 2)
    monkeypatch.setattr("recbole_xlrec.data.rows._BLOCK", 8)
    frame = pd.DataFrame({"item_id": [f"i{row}" for row in range(10)], "title": "x"})
    write_atomic(tmp_path / "x", frame)
    pd.testing.assert_frame_equal(read_atomic(tmp_path / "x"), frame)


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    write_atomic(tmp_path / "x", pd.DataFrame({"item_id": [], "rating": []}))
    found = read_atomic(tmp_path / "x")
    assert list(found) == ["item_id", "rating"]
    assert len(found) == 0
    assert found["rating"].dtype == np.float64


@pytest.mark.parametrize("title", ["x", '"x"'])
def test_columns_come_in_the_order_asked_for(tmp_path: Path, title: str) -> None:
    write_atomic(tmp_path / "x", pd.DataFrame({"item_id": ["1"], "title": [title], "rating": [2.0]}))
    found = read_atomic(tmp_path / "x", columns=["rating", "item_id"])
    assert list(found) == ["rating", "item_id"]
    assert found.values.tolist() == [[2.0, "1"]]


def test_the_header_gives_the_types_in_file_order(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"b:float_seq\ta:token\r\n")
    assert list(read_header(tmp_path / "x").items()) == [("b", "float_seq"), ("a", "token")]


def test_a_last_line_without_its_end_and_blank_lines_are_read_as_recbole_does(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"item_id:token\trating:float\n1\t2\n\n  \n\t\n3\t4")
    found = read_atomic(tmp_path / "x")
    assert found["item_id"].tolist() == ["1", "", "3"]
    np.testing.assert_array_equal(found["rating"], [2, np.nan, 4])


def test_plain_files_take_the_fast_way_and_only_they(tmp_path: Path) -> None:
    cases = {
        b"a:token\tb:token\n1\t2\n": True,
        b"a:token\tb:token\n1\t2": True,
        b'a:token\tb:token\n"1"\t2\n': False,
        b"a:token\tb:token\r\n1\t2\r\n": False,
        b"a:token\tb:token\n1\n2\t3\t4\n": False,
        b"a:token\tb:token\n\n1\t2\n": False,
    }
    for content, plain in cases.items():
        (tmp_path / "x").write_bytes(content)
        assert rows.is_plain(tmp_path / "x", 2) is plain, content


def test_every_column_this_package_writes_has_a_type_recbole_knows() -> None:
    assert set(columns.TYPES.values()) <= set(columns.COLUMN_TYPES)
    assert set(columns.ID_COLUMNS) <= set(columns.TYPES)
