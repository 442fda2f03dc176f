from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.text.encoders.file import load_vectors, match_rows
from recbole_xlrec.text.encoders.ngram import NgramEncoder
from recbole_xlrec.text.store import VectorStore

IDS = ["a", "007", "日本", "NA"]
VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3)


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_an_npz_gives_back_its_ids_and_vectors(tmp_path: Path) -> None:
    path = npz(tmp_path / "v.npz", ids=np.array(IDS), vectors=VECTORS.astype(np.float64))
    ids, vectors = load_vectors(path)
    assert ids == IDS
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, VECTORS)


def test_bytes_and_whole_numbers_are_ids_too(tmp_path: Path) -> None:
    assert load_vectors(npz(tmp_path / "b.npz", ids=np.array([b"a", b"b"]), vectors=VECTORS[:2]))[0] == ["a", "b"]
    assert load_vectors(npz(tmp_path / "n.npz", ids=np.array([7, 12]), vectors=VECTORS[:2]))[0] == ["7", "12"]


def test_a_folder_of_the_vector_store_is_read(tmp_path: Path) -> None:
    stored = VectorStore(tmp_path).encode(
        IDS, ["one two", "two three", "日本", "four"], NgramEncoder(dimension=2), None
    )
    ids, vectors = load_vectors(stored.path)
    assert ids == IDS
    assert np.array_equal(vectors, stored.matrix.astype(np.float32))
    os.truncate(stored.path / "ids.txt", (stored.path / "ids.txt").stat().st_size - 2)
    with pytest.raises(DataError, match="cut short"):
        load_vectors(stored.path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ids": np.array(IDS, dtype=object), "vectors": VECTORS}, "dtype=str"),
        ({"ids": np.array(IDS), "vectors": VECTORS.astype(object)}, "plain arrays"),
        ({"names": np.array(IDS), "vectors": VECTORS}, "'ids' and 'vectors', found 'names', 'vectors'"),
        ({"ids": np.array(IDS), "vectors": VECTORS[:3]}, "4 ids but 3 vectors"),
        ({"ids": np.array(IDS), "vectors": VECTORS[0]}, r"\(n, dim\)"),
        ({"ids": np.array(IDS), "vectors": VECTORS.astype(str)}, "must be numbers"),
        ({"ids": np.array([IDS]), "vectors": VECTORS}, "ids must be strings"),
        ({"ids": np.array([1.5, 2.5]), "vectors": VECTORS[:2]}, "ids must be strings"),
    ],
)
def test_a_file_of_another_shape_is_refused_by_name(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    path = npz(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=message) as error:
        load_vectors(path)
    assert "bad.npz" in str(error.value)


def test_missing_files_other_formats_and_foreign_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_vectors(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("not a zip")
    with pytest.raises(DataError, match=r"text\.npz"):
        load_vectors(tmp_path / "text.npz")
    np.save(tmp_path / "one.npy", VECTORS)
    with pytest.raises(DataError, match="without ids"):
        load_vectors(tmp_path / "one.npy")
    with pytest.raises(DataError, match=r"ids\.txt"):
        load_vectors(tmp_path)


def test_vectors_are_matched_by_id_not_by_row() -> None:
    assert match_rows(["NA", "a"], IDS, VECTORS, "v.npz", extra="ignore").tolist() == [3, 0]


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_the_order_of_the_file_does_not_matter(rows: list[int], wanted: list[int]) -> None:
    found = match_rows([IDS[row] for row in wanted], [IDS[row] for row in rows], VECTORS[rows], "v.npz")
    assert np.array_equal(VECTORS[rows][found], VECTORS[wanted])


def test_every_disagreement_is_refused_with_file_count_and_names() -> None:
    broken = VECTORS.copy()
    broken[1, 2] = np.nan
    cases = [
        ((["a", "x", "y"], IDS, VECTORS), "2 of 3 items have no vector: 'x', 'y'"),
        ((["a"], IDS, VECTORS), "3 ids are not items of the dataset: '007'"),
        ((IDS, ["a", "a", "b", "b"], VECTORS), "2 ids stand more than once: 'a', 'b'"),
        ((IDS, IDS, broken), "1 vectors hold NaN or infinity: '007'"),
        ((IDS, IDS, VECTORS[0]), r"\(n, dim\)"),
        ((IDS, IDS, VECTORS[:2]), "4 ids but 2 vectors"),
    ]
    for (wanted, ids, vectors), message in cases:
        with pytest.raises(DataError, match=message) as error:
            match_rows(wanted, ids, vectors, "some/v.npz")
        assert "some/v.npz" in str(error.value)


def test_vectors_of_known_ids_are_not_superfluous() -> None:
    assert match_rows(["NA", "a"], IDS, VECTORS, "v", known=["007", "日本", "a"]).tolist() == [3, 0]
    with pytest.raises(DataError, match="1 ids are not items of the dataset: '日本'"):
        match_rows(["NA", "a"], IDS, VECTORS, "v", known=["007"])


def test_a_broken_row_nobody_wants_is_no_error_and_unknown_modes_are() -> None:
    broken = VECTORS.copy()
    broken[1] = np.inf
    assert len(match_rows(["a"], IDS, broken, "v", extra="ignore")) == 1
    with pytest.raises(ConfigError, match="'error' or 'ignore'"):
        match_rows(["a"], IDS, VECTORS, "v", extra="drop")  # type: ignore[arg-type]
