"""Vectors made elsewhere: read from a file and matched to the items by id, never by row number."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, DataError, sample
from recbole_xlrec.text.vectors import IDS, VECTORS, read_ids, read_matrix

_ROWS = 16384  # rows checked at a time, so that a memory-mapped matrix stays on disk
_HOW = "Write it with np.savez(path, ids=np.array(ids, dtype=str), vectors=vectors)."


def load_vectors(path: str | Path) -> tuple[list[str], NDArray[Any]]:
    """Reads ids and vectors from an `.npz` file or a vector store folder.

    Args:
        path: An `.npz` with the arrays `ids` (n,) of strings and `vectors` (n, dim); or a folder with `vectors.npy` and
            `ids.txt`, as the vector store writes it.

    Returns:
        The ids, and the vectors (n, dim), row by row: float32, or, of a folder, memory-mapped in its own type.

    Raises:
        DataError: The file is missing or cannot be read, or the arrays' names, types or shapes are wrong.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        ids, vectors = read_ids(path / IDS), read_matrix(path / VECTORS)
    elif path.is_file():
        ids, vectors = _read_npz(path)
    else:
        raise DataError(f"{path}: there is no such file or folder of vectors. {_HOW}")
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise DataError(f"{path}: vectors must be numbers (n, dim); found {vectors.dtype} of shape {vectors.shape}.")
    if len(ids) != len(vectors):
        raise DataError(f"{path}: {len(ids)} ids but {len(vectors)} vectors. Every vector needs its id.")
    return ids, vectors if path.is_dir() else np.asarray(vectors, dtype=np.float32)


def match_rows(
    ids_wanted: Sequence[str],
    ids: Sequence[str],
    vectors: NDArray[Any],
    where: str | Path,
    extra: Literal["error", "ignore"] = "error",
    known: Collection[str] = (),
) -> NDArray[np.int64]:
    """Finds the vectors of the wanted ids, in their order: (len(ids_wanted),) rows.

    Args:
        ids_wanted: Item ids, each once.
        ids: The id of every row of `vectors`.
        vectors: (len(ids), dim); read block by block, to check the rows.
        where: File or folder they came from, for messages.
        extra: What to do about vectors of ids that are neither wanted nor known.
        known: Ids that may have vectors although nobody wants them.

    Raises:
        DataError: Ids are missing, doubled or not known, rows are not finite, or counts are wrong.
        ConfigError: `extra` is not known.
    """
    if extra not in ("error", "ignore"):
        raise ConfigError(f"extra must be 'error' or 'ignore', found {extra!r}.")
    _check_shape(vectors, len(ids), where)
    row_of = {item: row for row, item in enumerate(ids)}
    doubled = _doubled(ids) if len(row_of) < len(ids) else []
    _refuse(where, "ids stand more than once", doubled, "Keep one row of each.")
    missing = [item for item in ids_wanted if item not in row_of]
    _refuse(where, f"of {len(ids_wanted)} items have no vector", missing, "Encode them, or leave them out.")
    if extra == "error" and len(ids) > len(ids_wanted):
        known = {*ids_wanted, *known}
        unknown = [item for item in ids if item not in known]
        _refuse(
            where,
            "ids are not items of the dataset",
            unknown,
            "Check the dataset, or ignore extra ids.",
        )
    rows = np.fromiter(map(row_of.__getitem__, ids_wanted), dtype=np.int64, count=len(ids_wanted))
    blocks = [vectors[start : start + _ROWS] for start in range(0, len(vectors), _ROWS)]
    finite = np.concatenate([np.zeros(0, dtype=bool), *(np.isfinite(block).all(axis=1) for block in blocks)])
    broken = [ids_wanted[int(place)] for place in np.flatnonzero(~finite[rows])]
    _refuse(where, "vectors hold NaN or infinity", broken, "Encode these items again.")
    return rows


def _check_shape(vectors: NDArray[Any], n_ids: int, where: str | Path) -> None:
    if vectors.ndim != 2:
        raise DataError(f"{where}: vectors must be (n, dim), found shape {vectors.shape}.")
    if len(vectors) != n_ids:
        raise DataError(f"{where}: {n_ids} ids but {len(vectors)} vectors. Every vector needs its id.")


def _refuse(where: str | Path, what: str, found: list[str], advice: str) -> None:
    if found:
        raise DataError(f"{where}: {len(found)} {what}: {sample(found)}. {advice}")


def _doubled(ids: Sequence[str]) -> list[str]:
    return [item for item, count in Counter(ids).items() if count > 1]


def _read_npz(path: Path) -> tuple[list[str], NDArray[np.generic]]:
    try:
        arrays = np.load(path, allow_pickle=False)
        found = {name: arrays[name] for name in arrays.files} if isinstance(arrays, np.lib.npyio.NpzFile) else None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as an .npz of plain arrays ({error}). {_HOW}") from error
    if found is None:
        raise DataError(f"{path}: one array without ids, not an .npz. {_HOW}")
    arrays.close()
    if "ids" not in found or "vectors" not in found:
        raise DataError(f"{path}: needs the arrays 'ids' and 'vectors', found {sample(found)}. {_HOW}")
    return _id_list(found["ids"], path), found["vectors"]


def _id_list(ids: NDArray[np.generic], path: Path) -> list[str]:
    if ids.ndim != 1 or ids.dtype.kind not in "USiu":
        raise DataError(f"{path}: ids must be strings (n,); found {ids.dtype} of shape {ids.shape}. {_HOW}")
    values = ids.tolist()
    return [item.decode("utf-8") if isinstance(item, bytes) else str(item) for item in values]
