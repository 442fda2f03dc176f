"""Raw files: found, opened in gz and zip, read in whatever state they are."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from recbole_xlrec.convert import raw as raw_module
from recbole_xlrec.convert.base import Batch
from recbole_xlrec.convert.raw import RawFolder
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.convert.rejects import Rejects
from recbole_xlrec.errors import ConfigError, DataError

Read = Callable[..., Reader]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Read]:
    """Makes a reader of a folder."""
    rejects = Rejects(tmp_path / "rejected.tsv", 1.0)

    def make(folder: Path, encoding: str = "", limit: float = 1.0, **settings: str) -> Reader:
        rejects._limit = limit
        return Reader(RawFolder(folder), rejects, settings, encoding, tmp_path, lambda file, count: None)

    yield make
    rejects.close()


def _raw(folder: Path, name: str, data: bytes) -> Path:
    path = folder / "raw" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return folder / "raw"


def _rows(batches: Iterator[Batch]) -> list[tuple[object, ...]]:
    frames = [batch.frame for batch in batches]
    return pl.concat(frames).rows() if frames else []


def _rejected(folder: Path) -> list[list[str]]:
    path = folder / "rejected.tsv"
    return [line.split("\t") for line in path.read_text().splitlines()[1:]] if path.exists() else []


def test_misshapen_lines_are_set_aside_with_their_line_and_the_others_keep_theirs(reader: Read, tmp_path: Path) -> None:
    raw = _raw(tmp_path, "a.tsv", b"u\ti\nu1\ti1\nu2\nu3\ti3\textra\n\nu4\t\nu5\ti5")
    read = reader(raw)
    rows = _rows(read.delimited(read.folder.one("a.tsv"), ("u", "i"), "\t", True))
    assert rows == [(2, "u1", "i1"), (6, "u4", None), (7, "u5", "i5")]
    assert _flushed(read, tmp_path) == [
        ["a.tsv", "3", "not 2 cells", "u2"],
        ["a.tsv", "4", "not 2 cells", "u3\\ti3\\textra"],
    ]


def _flushed(read: Reader, folder: Path) -> list[list[str]]:
    read._rejects.close()
    return _rejected(folder)


def test_one_cell_too_many_and_one_too_few_do_not_cancel_out(reader: Read, tmp_path: Path) -> None:
    read = reader(_raw(tmp_path, "a.tsv", b"a\tb\nc\nd\te\tf\n"))
    assert _rows(read.delimited(read.folder.one("a.tsv"), ("u", "i"), "\t", False)) == [(1, "a", "b")]
    assert [row[1] for row in _flushed(read, tmp_path)] == ["2", "3"]


@pytest.mark.parametrize("size", [7, 16, 1 << 20])
def test_blocks_of_any_size_give_the_same_rows(
    size: int, reader: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_module, "BLOCK", size)
    lines = [f"u{n},i{n % 3},{n}" for n in range(50)]
    lines[20] = "broken"
    read = reader(_raw(tmp_path, "a.csv", "\r\n".join(lines).encode()))
    rows = _rows(read.delimited(read.folder.one("a.csv"), ("u", "i", "t"), ",", False))
    assert rows == [(n + 1, f"u{n}", f"i{n % 3}", str(n)) for n in range(50) if n != 20]
    assert _flushed(read, tmp_path) == [["a.csv", "21", "not 3 cells", "broken"]]


def test_columns_are_found_by_the_header_in_any_order(reader: Read, tmp_path: Path) -> None:
    read = reader(_raw(tmp_path, "a.csv", b"\xef\xbb\xbfx,item,user\n1,i1,u1\n"))
    assert _rows(read.delimited(read.folder.one("a.csv"), ("user", "item"), ",", True)) == [(2, "u1", "i1")]


@pytest.mark.parametrize("first", [b"u1;i1\n", b"user;item\n", b"usr,item\n"])
def test_a_missing_header_or_another_separator_is_an_error_that_shows_the_first_line(
    first: bytes, reader: Read, tmp_path: Path
) -> None:
    read = reader(_raw(tmp_path, "a.csv", first))
    with pytest.raises(DataError, match=f"a.csv: the first line must name .*{first[:5].decode()}"):
        _rows(read.delimited(read.folder.one("a.csv"), ("user", "item"), ",", True))


def test_separators_of_two_characters_are_read(reader: Read, tmp_path: Path) -> None:
    read = reader(_raw(tmp_path, "a.dat", b"1::2::caf\xe9\n1::x\n"))
    rows = _rows(read.delimited(read.folder.one("a.dat"), ("u", "i", "t"), "::", False, encoding="latin-1"))
    assert rows == [(1, "1", "2", "café")]
    assert _flushed(read, tmp_path)[0][3] == "1::x"


def test_lines_that_are_no_text_are_set_aside(reader: Read, tmp_path: Path) -> None:
    read = reader(_raw(tmp_path, "a.tsv", b"a\tb\ncaf\xe9\tx\nn\0l\ty\nc\td\n"))
    assert _rows(read.delimited(read.folder.one("a.tsv"), ("u", "i"), "\t", False)) == [(1, "a", "b"), (4, "c", "d")]
    assert [row[:3] for row in _flushed(read, tmp_path)] == [["a.tsv", str(line), "not UTF-8 text"] for line in (2, 3)]


def test_utf_16_is_named_and_read_when_asked_for(reader: Read, tmp_path: Path) -> None:
    raw = _raw(tmp_path, "a.tsv", "ü\tb\n".encode("utf-16"))
    read = reader(raw)
    with pytest.raises(DataError, match=r"looks like UTF-16. Give --encoding utf-16"):
        _rows(read.delimited(read.folder.one("a.tsv"), ("u", "i"), "\t", False))
    read = reader(raw, "utf-16")
    assert _rows(read.delimited(read.folder.one("a.tsv"), ("u", "i"), "\t", False)) == [(1, "ü", "b")]


def test_a_wrong_encoding_is_an_error(reader: Read, tmp_path: Path) -> None:
    read = reader(_raw(tmp_path, "a.tsv", b"caf\xe9\tb\n"), "shift_jis")
    with pytest.raises(DataError, match=r"a.tsv is not shift_jis"):
        _rows(read.delimited(read.folder.one("a.tsv"), ("u", "i"), "\t", False))


def test_gz_and_zip_are_read_in_place(reader: Read, tmp_path: Path) -> None:
    raw = _raw(tmp_path, "a.csv.gz", gzip.compress(b"u,i\n1,2\n"))
    with zipfile.ZipFile(raw / "pack.zip", "w") as archive:
        archive.writestr("inner/b.csv", "u,i\n3,4\n")
        archive.writestr("inner/c.csv.gz", gzip.compress(b"u,i\n5,6\n"))
        archive.writestr("__MACOSX/inner/._b.csv", "x")
    read = reader(raw)
    assert [file.name for file in read.folder.find("*.csv")] == [
        "a.csv.gz",
        "pack.zip/inner/b.csv",
        "pack.zip/inner/c.csv.gz",
    ]
    rows = [_rows(read.delimited(file, ("u", "i"), ",", True)) for file in read.folder.find("*.csv")]
    assert rows == [[(2, "1", "2")], [(2, "3", "4")], [(2, "5", "6")]]


@pytest.mark.parametrize("damage", ["cut", "garbled", "zip"])
def test_a_damaged_pack_is_an_error_that_names_it(damage: str, reader: Read, tmp_path: Path) -> None:
    packed = gzip.compress(b"u,i\n" + b"".join(f"{n},{n * 7919}\n".encode() for n in range(5000)))
    if damage == "zip":
        raw = _raw(tmp_path, "a.zip", b"PK\x03\x04 no zip")
        with pytest.raises(DataError, match=r"a.zip is damaged.*Download it again"):
            reader(raw)
        return
    packed = packed[: len(packed) // 2] if damage == "cut" else packed[:2000] + b"\x00" * 50 + packed[2050:]
    read = reader(_raw(tmp_path, "a.csv.gz", packed))
    with pytest.raises(DataError, match=r"a.csv.gz is damaged: .*Download it again"):
        _rows(read.delimited(read.folder.one("a.csv"), ("u", "i"), ",", True))


def test_an_empty_file_is_an_error(reader: Read, tmp_path: Path) -> None:
    read = reader(_raw(tmp_path, "a.csv", b""))
    with pytest.raises(DataError, match=r"a.csv is empty"):
        _rows(read.delimited(read.folder.one("a.csv"), ("u", "i"), ",", True))


def test_a_missing_file_says_what_the_folder_holds(reader: Read, tmp_path: Path) -> None:
    read = reader(_raw(tmp_path, "rating.csv", b"x"))
    with pytest.raises(DataError, match=r"holds no ratings.csv; it holds 'rating.csv'. Did you mean 'rating.csv'"):
        read.folder.one("ratings.csv")
    with pytest.raises(DataError, match=r"does not exist"):
        RawFolder(tmp_path / "nowhere")


def test_quoted_cells_may_hold_separators_and_line_ends(reader: Read, tmp_path: Path) -> None:
    raw = _raw(tmp_path, "a.csv", b'id,t\n1,"a, ""b""\nnext"\n2,c\n3,\n')
    read = reader(raw)
    assert _rows(read.quoted(read.folder.one("a.csv"), ("id", "t"))) == [
        (2, "1", 'a, "b"\nnext'),
        (4, "2", "c"),
        (5, "3", None),
    ]


def test_a_quote_that_is_never_closed_costs_one_line(reader: Read, tmp_path: Path) -> None:
    lines = ["id,t", "1,a", '2,"never', *[f"{n},x" for n in range(3, 900)], '900,"sound, one"', "901,y"]
    read = reader(_raw(tmp_path, "a.csv", "\n".join(lines).encode()))
    rows = _rows(read.quoted(read.folder.one("a.csv"), ("id", "t")))
    assert [row[1] for row in rows] == ["1", *[str(n) for n in range(3, 902)]]
    assert rows[-2] == (901, "900", "sound, one")
    assert [row[1] for row in _flushed(read, tmp_path)] == ["3"]


def test_json_lines_keep_what_fits_and_set_aside_what_is_no_object(reader: Read, tmp_path: Path) -> None:
    lines = [b'{"a":"1","b":2.5,"c":9}', b"", b"[1]", b'{"a":"2","b":"x"}', b'{"a":"3","b"', b'{"b":1}']
    read = reader(_raw(tmp_path, "a.jsonl", b"\n".join(lines)))
    rows = _rows(read.json_lines(read.folder.one("a.jsonl"), {"a": pl.String, "b": pl.Float64}))
    assert [(row[-1], *row[:-1]) for row in rows] == [(1, "1", 2.5), (4, "2", None), (6, None, 1.0)]
    assert [row[1:3] for row in _flushed(read, tmp_path)] == [["3", "not a JSON object"], ["5", "not a JSON object"]]


def test_parquet_is_read_from_a_zip_too_and_a_missing_column_is_named(reader: Read, tmp_path: Path) -> None:
    data = io.BytesIO()
    pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}).write_parquet(data)
    raw = _raw(tmp_path, "a.parquet", data.getvalue())
    with zipfile.ZipFile(raw / "p.zip", "w") as archive:
        archive.writestr("b.parquet", data.getvalue())
    read = reader(raw)
    for name in ("a.parquet", "b.parquet"):
        assert _rows(read.parquet(read.folder.one(name), ("b",))) == [(1, "x"), (2, "y")]
    with pytest.raises(DataError, match=r"a.parquet: no column 'c'"):
        _rows(read.parquet(read.folder.one("a.parquet"), ("c",)))
    _raw(tmp_path, "c.parquet", data.getvalue()[:-20])
    read = reader(raw)
    with pytest.raises(DataError, match=r"c.parquet is no sound Parquet file"):
        _rows(read.parquet(read.folder.one("c.parquet"), ("a",)))


def test_a_file_that_is_mostly_broken_stops_early(reader: Read, tmp_path: Path) -> None:
    read = reader(_raw(tmp_path, "a.tsv", b"no tab here\n" * 3000), limit=0.1)
    with pytest.raises(DataError, match=r"a.tsv: .* rows are broken .*not 2 cells.*line 1.*--max-rejected 1"):
        _read_to_the_end(read)


def _read_to_the_end(read: Reader) -> None:
    list(read.delimited(read.folder.one("a.tsv"), ("u", "i"), "\t", False))
    read._rejects.finish()


def test_a_setting_must_be_one_of_the_words(reader: Read, tmp_path: Path) -> None:
    read = reader(_raw(tmp_path, "a", b"x"), core="5cor")
    with pytest.raises(ConfigError, match=r"core=5cor: choose one of raw, 5core. Did you mean '5core'"):
        read.choice("core", ("raw", "5core"), "raw")
    assert read.choice("other", ("a", "b"), "b") == "b"
