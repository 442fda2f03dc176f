"""One folder of vectors on disk: `vectors.npy` (float16), `ids.txt` (one id a line) and `meta.json`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.data.files import file_hash
from recbole_xlrec.errors import DataError

FORMAT_VERSION = 1
VECTORS, IDS, META = "vectors.npy", "ids.txt", "meta.json"
META_KEYS = (
    "format_version",
    "encoder",
    "template",
    "n",
    "dim",
    "dtype",
    "texts_sha256",
    "vectors_sha256",
)
_BLOCK = 1 << 20
_REMEDY = "Remove the folder and encode again."


@dataclass(frozen=True, eq=False)
class Vectors:
    """Encoded texts.

    Attributes:
        ids: Item ids, row by row.
        matrix: float16 (n, dim), memory-mapped and read-only.
        path: The folder they lie in.
        key: Its name, which changes with anything that changes the vectors.
    """

    ids: list[str]
    matrix: NDArray[np.float16]
    path: Path
    key: str


def read_folder(folder: Path, verify: bool = True) -> tuple[Vectors, dict[str, Any]]:
    """Opens a folder of vectors, with its meta data.

    Args:
        folder: The folder.
        verify: Also reads `vectors.npy` through, to compare its hash with the one noted.

    Raises:
        DataError: A file is missing or cut short, or they do not agree with each other.
    """
    meta = _read_meta(folder / META)
    ids, matrix = read_ids(folder / IDS), read_matrix(folder / VECTORS)
    expected = (meta["n"], meta["dim"])
    if matrix.shape != expected or len(ids) != meta["n"] or matrix.dtype != np.dtype(meta["dtype"]):
        raise DataError(
            f"{folder}: {META} promises {meta['dtype']} {expected}; {VECTORS} is {matrix.dtype} {matrix.shape}, {IDS} "
            f"has {len(ids)} ids. {_REMEDY}"
        )
    if verify and file_hash(folder / VECTORS) != meta["vectors_sha256"]:
        raise DataError(f"{folder / VECTORS}: changed since it was written (its hash differs). {_REMEDY}")
    return Vectors(ids, matrix, folder, folder.name), meta


def read_ids(path: Path) -> list[str]:
    """Reads one id a line.

    Raises:
        DataError: The file is missing, cut short or not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}). {_REMEDY}") from error
    if text and not text.endswith("\n"):
        raise DataError(f"{path}: the last line does not end; the file is cut short. {_REMEDY}")
    return text.split("\n")[:-1]


def read_matrix(path: Path) -> NDArray[Any]:
    """Opens an array without reading it into memory.

    Raises:
        DataError: The file is missing, cut short or not a plain array.
    """
    try:
        matrix: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as an array ({error}). {_REMEDY}") from error
    return matrix


def write_ids(path: Path, ids: Sequence[str]) -> None:
    """Writes one id a line, UTF-8."""
    write_bytes(path, "".join(f"{item}\n" for item in ids).encode("utf-8"))


def write_meta(path: Path, meta: dict[str, Any]) -> None:
    """Writes the meta data as JSON."""
    write_bytes(path, (json.dumps(meta, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogatepass"))


def write_bytes(path: Path, *blocks: bytes | memoryview) -> None:
    """Writes a file beside its place, to the disk itself, and renames it: it is there whole or not at all."""
    beside = path.with_name(f".{path.name}.tmp")
    try:
        with beside.open("wb") as file:
            for block in blocks:
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Makes renames inside `folder` outlast a power failure, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}). {_REMEDY}") from error
    missing = [key for key in META_KEYS if key not in meta] if isinstance(meta, dict) else list(META_KEYS)
    if missing:
        raise DataError(f"{path}: {', '.join(missing)} not noted. {_REMEDY}")
    if meta["format_version"] != FORMAT_VERSION:
        raise DataError(f"{path}: format {meta['format_version']}, this package reads {FORMAT_VERSION}. {_REMEDY}")
    return dict(meta)
